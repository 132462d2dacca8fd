"""Tokens, breaker and the day's end, with a vendor and a clock of plain memory."""

from __future__ import annotations

import math
from collections import deque

import gevent
import pytest
from gevent.event import Event

from onepush_core.testing import ManualClock, make_message
from onepush_oppo.account import SKEW, Account, until_midnight
from onepush_oppo.attempts import LIMIT, Attempts, gap_after
from onepush_oppo.client import CallFailed, NoTimeLeft
from onepush_oppo.endpoint import TOKEN_SECONDS, Endpoint, Refused
from onepush_oppo.protocol import AUTH, UNICAST, Answer
from onepush_oppo.settings import Credentials
from onepush_oppo.verdicts import Verdicts

MIDNIGHT = 1_800_028_800_000
"""Midnight in UTC+8, that is 16:00 UTC."""


class Vendor:
    """Answers from a list; auth calls get token after token."""

    def __init__(self, *answers):
        self.answers = deque(answers)
        self.calls = []
        self.tokens = 0
        self.gate = Event()
        self.gate.set()

    def post(self, url, body, patience):
        self.calls.append((url, body))
        if url.endswith(AUTH):
            self.gate.wait()
            self.tokens += 1
            answer = self.answers.popleft() if self.answers and self.answers[0].code in (16, 19) else None
            return answer or Answer(0, "", {"auth_token": f"token{self.tokens}"})
        return self.answers.popleft() if self.answers else Answer(0, "", None)


class Bench:
    """An endpoint with its vendor and its clock."""

    def __init__(self, *answers, quota=0):
        self.clock = ManualClock()
        self.vendor = Vendor(*answers)
        self.account = Account(Credentials("key", "secret"), "[oppo]", quota, self.clock)
        self.endpoint = Endpoint(self.account, "http://vendor", self.vendor, self.clock)

    def post(self):
        return self.endpoint.post(UNICAST, lambda token: token.encode(), self.clock.monotonic() + 10)

    def bodies(self):
        return [body for url, body in self.vendor.calls if url.endswith(UNICAST)]


def test_token_is_fetched_once_for_many():
    """Callers that come while a token is fetched wait for it; nobody fetches another."""
    bench = Bench()
    bench.vendor.gate.clear()
    calls = [gevent.spawn(bench.post) for _ in range(50)]
    gevent.sleep(0)
    bench.vendor.gate.set()
    gevent.joinall(calls, raise_error=True)
    assert bench.vendor.tokens == 1
    assert bench.bodies() == [b"token1"] * 50


def test_failed_fetch_is_shared():
    """When the one fetch fails, all who waited for it fail with it, instead of trying one by one."""
    bench = Bench()
    bench.vendor.post = lambda url, body, patience: fail_after(bench.vendor.gate)
    bench.vendor.gate.clear()
    calls = [gevent.spawn(bench.post) for _ in range(5)]
    gevent.sleep(0)
    bench.vendor.gate.set()
    gevent.joinall(calls)
    assert [type(call.exception) for call in calls] == [CallFailed] * 5


def fail_after(gate):
    """Wait, then fail."""
    gate.wait()
    raise CallFailed("connection failed")


def test_token_is_renewed_before_a_day():
    """The cached token serves until shortly before its 24 hours."""
    bench = Bench()
    bench.post()
    bench.clock.jump(TOKEN_SECONDS - 1)
    bench.post()
    bench.clock.jump(2)
    bench.post()
    assert bench.bodies() == [b"token1", b"token1", b"token2"]
    assert TOKEN_SECONDS < 24 * 3600


@pytest.mark.parametrize("code", [11, 29])
def test_refused_token_is_renewed_once(code):
    """Codes 11 and 29 cost one new token and one repetition, not more."""
    bench = Bench(Answer(code, "", None))
    assert bench.post().code == 0
    assert bench.bodies() == [b"token1", b"token2"]
    bench = Bench(Answer(code, "", None), Answer(code, "", None))
    assert bench.post().code == code
    assert bench.vendor.tokens == 2


def test_wrong_time_is_tried_once_more():
    """Code 19 gets one more try with a fresh timestamp."""
    bench = Bench(Answer(19, "", None))
    assert bench.post().code == 0
    assert [url.endswith(AUTH) for url, _ in bench.vendor.calls] == [True, True, False]


def test_refused_credentials_are_an_answer():
    """A wrong signature is not repeated; its code is what the caller gets."""
    bench = Bench(Answer(16, "", None))
    with pytest.raises(Refused) as caught:
        bench.post()
    assert caught.value.answer.code == 16


def test_breaker_pauses_longer_each_time():
    """Five failures pause 30 s, those of calls under way add nothing; the pause doubles to five minutes."""
    bench = Bench()
    pauses = []
    for _ in range(9):
        bench.endpoint.failed()
    for _ in range(5):
        pause, why = bench.endpoint.pause_left()
        pauses.append(pause)
        bench.clock.jump(pause)
        bench.endpoint.failed()
    assert (pauses, why) == ([30, 60, 120, 240, 300], "breaker open")
    bench.endpoint.breaker.succeeded()
    bench.clock.jump(300)
    assert bench.endpoint.pause_left()[0] == 0


@pytest.mark.parametrize(("error", "paused"), [(CallFailed("timeout"), True), (NoTimeLeft(), False)])
def test_call_never_made_leaves_breaker_alone(error, paused):
    """A host that was not asked, as another took all the time, is not paused for that."""
    endpoint = Bench().endpoint
    for _ in range(5):
        Verdicts(Attempts(5.0), None).of_failure(endpoint, make_message(), {"target": [1]}, error)
    assert (endpoint.pause_left()[0] > 0) is paused


@pytest.mark.parametrize(
    ("now", "left"), [(MIDNIGHT - 1000, 1), (MIDNIGHT, 86_400), (MIDNIGHT + 3_600_000, 82_800)]
)
def test_day_ends_at_midnight_in_china(now, left):
    """OPPO's day ends at midnight in UTC+8."""
    assert until_midnight(now) == left


def test_used_up_day_closes_credentials_until_midnight():
    """After code 33 nothing goes out until midnight, then all is open again."""
    bench = Bench(quota=10)
    bench.account.use(4)
    assert bench.account.quota_left() == 6
    bench.account.close_for_today(33, "daily quota used up")
    pause, why = bench.endpoint.pause_left()
    assert (pause, why) == (until_midnight(bench.clock.now()), "daily quota used up")
    assert bench.account.quota_left() == 0
    bench.clock.jump(pause)
    assert bench.endpoint.pause_left()[0] == 0
    assert bench.account.quota_left() == 10


def test_clock_ahead_costs_no_day():
    """Code 33 just after our midnight closes ten minutes, as OPPO may be in the day before; then the day."""
    bench = Bench()
    bench.clock.jump((MIDNIGHT + 1000 - bench.clock.now()) / 1000)
    bench.account.close_for_today(33, "daily quota used up")
    assert bench.account.pause_left() == (SKEW - 1000) / 1000
    bench.clock.jump(bench.account.pause_left())
    bench.account.close_for_today(33, "daily quota used up")
    assert bench.account.pause_left() == until_midnight(bench.clock.now())


def test_unknown_quota_is_not_a_number():
    """Without daily_quota nobody can say what is left."""
    assert math.isnan(Bench().account.quota_left())


def test_attempts_end_after_eight():
    """Each failure of a device doubles its wait, the eighth ends it; other devices count for themselves."""
    attempts = Attempts(5.0)
    waits = [next(iter(attempts.failed(1, [7]))) for _ in range(LIMIT)]
    assert waits[-1] is None
    for failures, wait in enumerate(waits[:-1], 1):
        assert 0.8 * gap_after(failures, 5.0) <= wait <= 1.2 * gap_after(failures, 5.0)
    assert [gap_after(failures, 5.0) for failures in range(1, 9)] == [5, 10, 20, 40, 80, 160, 300, 300]
    assert attempts.failed(1, [8]).keys() != {None}


def test_wish_of_vendor_is_granted():
    """A longer wait that the other side asks for holds; success makes the count start anew."""
    attempts = Attempts(5.0)
    assert attempts.failed(1, [7], wish=60.0) == {60.0: [7]}
    attempts.settled(1, [7])
    assert next(iter(attempts.failed(1, [7]))) <= 6
