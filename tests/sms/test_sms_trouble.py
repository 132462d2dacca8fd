"""What goes wrong between decision and answer, and what must not happen then."""

from __future__ import annotations

import gevent
import pytest
from gevent.pool import Pool

from harness.waiting import eventually
from onepush_sms import sending
from onepush_sms.decisions import decide
from onepush_sms.numbers import parse_number
from onepush_sms.objects import Answer, Verdict
from onepush_sms.people import Person
from onepush_sms.rows import Rows, State
from tests.sms.doubles import MASK, NUMBER, offer, rest, settled


def test_ambiguous_sms_is_not_repeated(bench):
    """When nobody knows whether the SMS went out, it is recorded and never sent again."""
    bench.provider.answers = [Answer(Verdict.AMBIGUOUS, "no answer in time")]
    bench.register("ann", NUMBER)
    bench.register("ann", NUMBER)
    message = bench.send()
    bench.pass_time()
    eventually(lambda: bench.trail(message) == [("failed", "ambiguous: no answer in time")] * 2)
    bench.pass_time(3600)
    rest(bench)
    assert len(bench.provider.sent) == 1
    assert bench.counts(message) == {"pending": 2}


def test_ambiguous_sms_is_repeated_at_least_once(make_bench):
    """An app that chose "at least once" gets an ambiguous SMS sent again, a few times at most."""
    bench = make_bench({"at_least_once": True})
    bench.provider.answers = [Answer(Verdict.AMBIGUOUS, "no answer in time")] * 9
    bench.register("ann", NUMBER)
    message = bench.send()
    bench.pass_time()
    for number, gap in enumerate((5, 10, 20, 100), 1):
        assert len(bench.trail(message)) == number
        bench.pass_time(gap)
    rest(bench)
    assert len(bench.provider.sent) == 4


def test_exception_of_provider_is_ambiguous(bench):
    """A provider that raises may have sent the SMS."""
    bench.provider.answers = [RuntimeError("boom 13711112222")]
    bench.register("ann", NUMBER)
    message = bench.send()
    bench.pass_time()
    eventually(lambda: bench.trail(message) == [("failed", "ambiguous: unexpected answer")])


def test_unsent_sms_is_retried_with_backoff(bench):
    """What surely was not sent is tried again after growing gaps, and then counts once."""
    bench.provider.answers = [Answer(Verdict.UNREACHABLE, "provider unreachable")] * 2
    bench.register("ann", NUMBER)
    message = bench.send()
    bench.pass_time()
    eventually(lambda: len(bench.trail(message)) == 1)
    bench.pass_time(5)
    eventually(lambda: len(bench.trail(message)) == 2)
    bench.pass_time(5)
    rest(bench)
    assert len(bench.provider.sent) == 2
    bench.pass_time(5)
    settled(bench, message, handedOff=1)
    assert set(bench.used().values()) == {1}


def test_retry_is_spared_when_person_is_reached(bench):
    """A confirm while an SMS waits for its second try means that there is none."""
    device = bench.register("ann", NUMBER, online=True)
    bench.register("ann", NUMBER)
    bench.provider.answers = [Answer(Verdict.LATER, "busy")]
    message = bench.send(need_confirm=True)
    bench.pass_time()
    eventually(lambda: bench.trail(message))
    bench.gateway.confirm("sockets", message, device)
    bench.gateway.flush()
    bench.pass_time(10)
    eventually(lambda: ("skipped", "another device has it") in bench.trail(message))
    assert len(bench.provider.sent) == 1


def test_hanging_call_is_made_once(bench):
    """While a call is out, whoever comes to the same person makes no second one."""
    bench.provider.hold.clear()
    bench.register("ann", NUMBER)
    bench.register("ann", NUMBER, vendor="OPPO")
    bench.vendor.let.set()
    message = bench.send(need_confirm=True)
    bench.pass_time()
    bench.provider.called.wait(10)
    bench.pass_time(20)
    eventually(lambda: not bench.gateway.followup.run_due())
    gevent.sleep(0.3)
    bench.provider.hold.set()
    eventually(lambda: ("sent", MASK) in bench.trail(message))
    assert len(bench.provider.sent) == 1


def test_log_and_metrics_hold_no_number(bench, capfd):
    """The number is in no log line and no metric, whatever goes wrong."""
    from prometheus_client import generate_latest

    bench.provider.answers = [RuntimeError(NUMBER), Answer(Verdict.ACCOUNT, "arrears")]
    bench.register("ann", NUMBER)
    first = bench.send()
    bench.pass_time()
    eventually(lambda: bench.trail(first))
    second = bench.send(sms_delay=0)
    eventually(lambda: bench.trail(second))
    told = generate_latest(bench.gateway.metrics.registry).decode() + "".join(capfd.readouterr())
    assert "sms_account_problem" in told
    assert NUMBER not in told
    assert NUMBER[-8:] not in told


def test_slow_provider_leaves_the_rest_for_later(make_bench):
    """A call that outlasts the core's patience is not made again, and its answer still counts."""
    bench = make_bench({"delay": 0}, deadline=1.0)
    bench.provider.hold.clear()
    bench.register("ann", NUMBER)
    message = bench.send()
    eventually(lambda: bench.gateway.read(lambda t: t.row("SELECT min(due) FROM delivery"))[0] is not None)
    eventually(lambda: bench.gateway.asking.find("sms").waiting == 0)
    assert bench.trail(message) == []
    bench.provider.hold.set()
    eventually(lambda: bench.rows() == [(1,)])
    bench.pass_time(10)
    settled(bench, message, handedOff=1)
    assert len(bench.provider.sent) == 1


@pytest.mark.parametrize(("seconds", "told"), [(31, "too many calls under way"), (45, "expired")])
def test_call_that_waited_too_long_is_not_made(bench, monkeypatch, seconds, told):
    """A call that had to wait for others minds the message's expiry and its own lease before it goes out."""
    monkeypatch.setattr(bench.plugin._sender, "_pool", Pool(1))
    bench.provider.hold.clear()
    for alias, mobile in (("ann", NUMBER), ("bob", "13800000000")):
        bench.register(alias, mobile)
    bench.send("ann", "bob", sms_delay=0, duration=45)
    assert bench.provider.called.wait(10)
    bench.gateway.housekeeping.stop()
    bench.pass_time(seconds)
    bench.provider.hold.set()
    eventually(lambda: bench.rows("reason") == [("",), (told,)])
    assert bench.provider.numbers == ["+8613711112222"]


def test_provider_that_hangs_is_given_up(bench, monkeypatch):
    """A provider that never comes back is cut off; its SMS may be out."""
    monkeypatch.setattr(sending, "CALL_DEADLINE", 0.1)
    bench.provider.hold.clear()
    bench.register("ann", NUMBER)
    message = bench.send(sms_delay=0)
    eventually(lambda: bench.trail(message) == [("failed", "ambiguous: no answer in time")])
    assert len(bench.provider.sent) == 1


def test_alias_gets_one_sms_even_with_new_number(bench):
    """An alias that has its SMS, or a call under way, gets no second one on a number registered since."""
    bench.register("ann", NUMBER)
    message = bench.gateway.find_message(bench.send())
    policy = bench.plugin._policies.of(bench.app.id)

    def job(transaction):
        rows = Rows(transaction, message, "fake", bench.clock.now())
        people = [Person(parse_number(one, "CN"), ["ann"], [1]) for one in (NUMBER, "13800000000")]
        return [decide(rows, person, policy, patient=False) for person in people]

    first, second = bench.gateway.write(job)
    assert (first.mine, second.mine, second.state) == (True, False, State.CALLING)
    assert len(bench.rows()) == 1


@pytest.fixture
def waiting(bench):
    """A message that waits for its SMS, and the first of its devices; the other one keeps it open."""
    bench.register("ann", NUMBER)
    bench.register("bob")
    message = bench.send("ann", "bob", duration=120)
    device = bench.find(message)
    bench.device = bench.gateway.find_device(device)
    return message, device


def test_deliver_minds_its_wait(bench, waiting):
    """A device that is offered before the wait is over is not mentioned."""
    assert offer(bench, *waiting, 59.999) == []
    assert [one.reason for one in offer(bench, *waiting, 60.0)] == [MASK]


@pytest.mark.parametrize("end", ["expired", "cancelled", "unregistered"])
def test_deliver_minds_the_end_of_a_delivery(bench, waiting, end):
    """A device whose delivery has ended since it was read is not mentioned, and nobody is called.

    Not even on the number of another device of the person, for which the message never was.
    """
    message, device = waiting
    bench.register("ann", NUMBER, platform="IOS")
    if end == "expired":
        bench.clock.jump(120)
    elif end == "cancelled":
        bench.gateway.cancel(bench.app, message)
    else:
        bench.gateway.unregister(device)
    assert offer(bench, message, device, 60.0) == []
    assert bench.provider.sent == []
