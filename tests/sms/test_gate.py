"""The gate of an app: when it shuts, and that one probe opens it."""

from __future__ import annotations

import pytest

from harness.waiting import eventually
from onepush_sms.gate import ACCOUNT_PAUSE, FAILURES, FIRST_PAUSE, LONGEST_PAUSE, PROBE, Gate
from onepush_sms.objects import Answer, Verdict
from tests.sms.doubles import MASK

pytestmark = pytest.mark.once


class Time:
    """Seconds, moved by hand."""

    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def time():
    """A clock that stands still."""
    return Time()


@pytest.fixture
def gate(time):
    """An open gate."""
    return Gate(time)


def test_gate_shuts_for_account_at_once(gate, time):
    """An account problem shuts the gate for five minutes, then one probe goes."""
    assert gate.passed(Verdict.ACCOUNT) is True
    assert gate.wait() == ACCOUNT_PAUSE
    assert not gate.enter()
    time.seconds += ACCOUNT_PAUSE
    assert gate.enter()
    assert not gate.enter()


def test_gate_tells_account_problem_once(gate, time):
    """Calls that were already out are no news; a probe that fails is."""
    assert [gate.passed(Verdict.ACCOUNT) for _ in range(3)] == [True, False, False]
    time.seconds += ACCOUNT_PAUSE
    gate.enter()
    assert gate.passed(Verdict.ACCOUNT) is True
    assert gate.wait() == ACCOUNT_PAUSE


def test_gate_opens_after_good_probe(gate, time):
    """A probe that gets through opens the gate for all."""
    gate.passed(Verdict.ACCOUNT)
    time.seconds += ACCOUNT_PAUSE
    assert gate.enter()
    gate.passed(Verdict.ACCEPTED)
    assert gate.wait() == 0
    assert gate.enter()
    assert gate.enter()
    assert not gate.account_problem


@pytest.mark.parametrize("verdict", [Verdict.UNREACHABLE, Verdict.AMBIGUOUS])
def test_gate_shuts_after_failures_in_a_row(gate, time, verdict):
    """Some failures in a row shut the gate, so that not everybody's one chance is lost; pauses grow."""
    for _ in range(FAILURES - 1):
        gate.passed(verdict)
    assert gate.wait() == 0
    gate.passed(verdict)
    pause = FIRST_PAUSE
    for _ in range(6):
        assert gate.wait() == pause
        time.seconds += pause
        assert gate.enter()
        gate.passed(verdict)
        pause = min(2 * pause, LONGEST_PAUSE)


def test_gate_ignores_failures_of_calls_already_out(gate):
    """Calls that went out before the gate was shut do not make the pause longer."""
    for _ in range(3 * FAILURES):
        gate.passed(Verdict.UNREACHABLE)
    assert gate.wait() == FIRST_PAUSE


def test_gate_forgets_failures_after_success(gate):
    """Only failures in a row count."""
    for verdict in [Verdict.UNREACHABLE] * (FAILURES - 1) + [Verdict.REFUSED] + [Verdict.UNREACHABLE]:
        gate.passed(verdict)
    assert gate.wait() == 0


def test_gate_lets_next_probe_after_lost_one(gate, time):
    """A probe of which nothing is heard does not shut the gate for ever."""
    gate.passed(Verdict.ACCOUNT)
    time.seconds += ACCOUNT_PAUSE
    assert gate.enter()
    time.seconds += 60
    assert gate.enter()


def test_account_problem_pauses_app_and_probes(make_bench):
    """Arrears pause all SMS of the app, nothing is lost or charged, and one probe brings all back."""
    bench = make_bench({"delay": 0})
    bench.provider.answers = [Answer(Verdict.ACCOUNT, "arrears")]
    for alias, mobile in (("ann", "13711112222"), ("bob", "13711113333")):
        bench.register(alias, mobile)
    first = bench.accept("ann")
    eventually(lambda: bench.trail(first) == [("failed", "arrears")])
    second = bench.accept("bob")
    eventually(lambda: bench.trail(second) == [("failed", "sms is paused")])
    assert len(bench.provider.sent) == 1
    assert set(bench.used().values()) == {0}
    bench.pass_time(ACCOUNT_PAUSE + PROBE)
    assert bench.counts(first) == bench.counts(second) == {"handedOff": 1}
    assert bench.trail(first)[-1] == ("sent", MASK)


def test_account_problem_leaves_other_apps_alone(make_bench):
    """The pause is the app's own."""
    bench = make_bench({"delay": 0})
    bench.provider.answers = [Answer(Verdict.ACCOUNT, "arrears")]
    bench.register("ann", "13711112222")
    first = bench.send()
    eventually(lambda: bench.trail(first))
    bench.app = bench.add_app()
    bench.register("ann", "13711112222")
    second = bench.send()
    eventually(lambda: bench.counts(second) == {"handedOff": 1})


def test_account_problem_holds_calls_of_same_round(make_bench):
    """Of many people in one round only one learns of the arrears; the others' calls are not made."""
    bench = make_bench({"delay": 0})
    bench.provider.answers = [Answer(Verdict.ACCOUNT, "arrears")] * 30
    aliases = [f"user{index}" for index in range(30)]
    for index, alias in enumerate(aliases):
        bench.register(alias, f"137{index:08d}")
    message = bench.accept(*aliases)
    bench.pass_time(0)
    assert len(bench.trail(message)) == 30
    assert len(bench.provider.sent) == 1
    assert set(bench.used().values()) == {0}
