"""One transport behind its outlet: whatever it does, the gateway gets a list of outcomes."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event

from inside_gateway import PATIENCE
from onepush_core.breaker import Breaker
from onepush_core.objects import App, Device, Devices, Message, Outcome, Outcomes, Status
from onepush_core.outlets import Outlet
from onepush_core.testing import ManualClock

MESSAGE = Message(key=1, id="m", app=App(1, "a", "A"), alert="hi", accepted_at=0, expires_at=60_000)
FIVE = 5
SENT = Status.SENT


def device(key: int) -> Device:
    return Device(key=key, id=f"d{key}", app=1, alias="ann", platform="WEB", token=f"t{key}")


def devices(*keys: int) -> Devices:
    return Devices.of([device(key) for key in keys])


def make_outlet(call, deadline=1.0, concurrency=8, breaker=None, takes=None) -> Outlet:
    return Outlet(
        "one",
        1,
        call,
        first=False,
        takes=takes,
        deadline=deadline,
        concurrency=concurrency,
        breaker=breaker,
    )


def answering(*answers):
    """A hook caller whose plugin answers this."""
    return lambda **_: list(answers)


def offer(call, *keys: int, **options) -> list[Outcomes]:
    return make_outlet(call, **options).offer(MESSAGE, devices(*keys), 0.0)


def said(outcomes) -> list[tuple[list[int], Status, str | None]]:
    return [(list(one.devices), one.status, one.reason) for one in outcomes]


def test_outlet_keeps_outcomes_of_offered_devices():
    """What a transport says of a device that it was not offered counts for nothing."""
    single = offer(answering([Outcome(1, SENT), Outcome(99, SENT)]), 1, 2)
    common = offer(answering([Outcomes([1, 99], SENT)]), 1, 2)
    assert said(single) == said(common) == [([1], SENT, None)]


def test_outlet_keeps_first_outcome_of_a_device():
    """A device has one outcome a call, however often the transport speaks of it."""
    told = [Outcome(1, SENT), Outcome(1, Status.GONE, "dead"), Outcomes([1, 2, 2], Status.FAILED, "busy")]
    assert said(offer(answering(told), 1, 2)) == [([1], SENT, None), ([2], Status.FAILED, "busy")]


def test_outlet_leaves_unmentioned_devices_out():
    """Silence about a device is no outcome: it goes on to the next transport."""
    assert offer(answering([]), 1) == []
    assert offer(answering(), 1) == []


def test_outlet_turns_an_exception_into_a_retry():
    """A plugin that raises gets its devices again later; the text of its error stays out of the trail."""

    def raising(**_):
        raise ValueError("token t1 refused")

    [outcome] = offer(raising, 1, 2)
    assert said([outcome]) == [([1, 2], Status.FAILED, "plugin error: ValueError")]
    assert outcome.retry_after == FIVE


def test_outlet_keeps_what_a_generator_said_before_it_raised():
    """Who was sent to before the error is not sent to again."""

    def halfway():
        yield Outcome(1, SENT)
        yield Outcomes([2], Status.GONE, "dead")
        raise OSError

    assert said(offer(answering(halfway()), 1, 2, 3)) == [
        ([1], SENT, None),
        ([2], Status.GONE, "dead"),
        ([3], Status.FAILED, "plugin error: OSError"),
    ]


def test_outlet_ends_a_call_at_its_deadline():
    """A hang costs the deadline; what was said before counts."""

    def hanging():
        yield Outcome(1, SENT)
        Event().wait(PATIENCE)

    told = offer(answering(hanging()), 1, 2, deadline=0.02)
    assert said(told) == [([1], SENT, None), ([2], Status.FAILED, "deadline exceeded")]


def test_outlet_ends_a_call_that_catches_exceptions():
    """The deadline is not an Exception, so a careless ``except Exception`` does not swallow it."""

    def careless(**_):
        while True:
            try:
                gevent.sleep(0.005)
            except Exception:
                continue

    assert said(offer(careless, 1, deadline=0.02)) == [([1], Status.FAILED, "deadline exceeded")]


@pytest.mark.parametrize("nonsense", [5, "sent", [1], [None], [{"device": 1}], [Outcomes(7, SENT)]], ids=repr)
def test_outlet_refuses_nonsense(nonsense):
    """What is no outcome is an error of the plugin, and the devices may be tried again."""
    [outcome] = offer(answering(nonsense), 1)
    assert said([outcome]) == [([1], Status.FAILED, "plugin error: TypeError")]
    assert outcome.retry_after


@pytest.mark.parametrize(
    "nonsense",
    [
        Outcome(1, "sent"),
        Outcome(1, SENT, reason={"error": 5}),
        Outcome(1, Status.FAILED, retry_after="soon"),
        Outcome(1, Status.FAILED, retry_after=float("nan")),
        Outcome(1, Status.FAILED, retry_after=float("inf")),
    ],
    ids=repr,
)
def test_outlet_refuses_nonsense_inside_an_outcome(nonsense):
    """An outcome with fields of the wrong kind must not travel on: the round and the store rely on them."""
    [outcome] = offer(answering([nonsense]), 1)
    assert outcome.status is Status.FAILED
    assert (outcome.reason or "").startswith("plugin error")


def test_outlet_limits_calls_at_a_time():
    """The bulkhead: the third call waits until one of two has come back."""
    running, most, go = [], [], Event()

    def slow(**_):
        running.append(1)
        most.append(len(running))
        go.wait(PATIENCE)
        running.pop()
        return []

    outlet = make_outlet(slow, deadline=PATIENCE, concurrency=2)
    calls = [gevent.spawn(outlet.offer, MESSAGE, devices(1), 0.0) for _ in range(5)]
    gevent.sleep(0)
    assert len(most) == 2
    go.set()
    gevent.joinall(calls, timeout=PATIENCE, raise_error=True)
    assert (len(most), max(most)) == (5, 2)


def test_outlet_asks_nobody_for_nothing():
    """An empty list of devices is not worth a call."""
    asked = []
    assert make_outlet(lambda **_: asked.append(1)).offer(MESSAGE, devices(), 0.0) == []
    assert not asked


def test_outlet_wants_what_the_plugin_takes():
    """Without ``takes`` a transport is offered all; one that raises is offered nothing."""

    def raising(message, device):
        raise KeyError(device.alias)

    assert make_outlet(answering()).wants(MESSAGE, device(1))
    assert make_outlet(answering(), takes=lambda message, device: device.key == 1).wants(MESSAGE, device(1))
    assert not make_outlet(answering(), takes=lambda message, device: device.key == 1).wants(
        MESSAGE, device(2)
    )
    assert not make_outlet(answering(), takes=raising).wants(MESSAGE, device(1))


def test_breaker_opens_after_failures_in_a_row():
    """Five failures in a row, not five in all."""
    breaker = Breaker(monotonic=ManualClock(0).monotonic)
    for _ in range(4):
        breaker.failed()
    breaker.succeeded()
    for _ in range(4):
        breaker.failed()
    assert breaker.pause_left() == 0
    breaker.failed()
    assert breaker.pause_left() == 30


def test_breaker_doubles_its_pause():
    """Each further failure doubles the pause, up to five minutes; a success closes it and starts anew."""
    clock = ManualClock(0)
    breaker = Breaker(failures=1, monotonic=clock.monotonic)
    pauses = []
    for _ in range(6):
        breaker.failed()
        pauses.append(breaker.pause_left())
        clock.jump(breaker.pause_left())
        assert breaker.pause_left() == 0
    assert pauses == [30, 60, 120, 240, 300, 300]
    breaker.succeeded()
    breaker.failed()
    assert breaker.pause_left() == 30


def test_breaker_keeps_calls_from_an_open_outlet():
    """While it is open the plugin is left alone, and the devices come back when the pause is over."""
    clock, asked = ManualClock(0), []

    def raising(**_):
        asked.append(1)
        raise OSError

    breaker = Breaker(failures=5, pause=30, monotonic=clock.monotonic)
    outlet = make_outlet(raising, breaker=breaker)
    for _ in range(5):
        outlet.offer(MESSAGE, devices(1), 0.0)
    clock.jump(10)
    [refused] = outlet.offer(MESSAGE, devices(1), 0.0)
    assert (refused.reason, refused.retry_after, len(asked)) == ("breaker open", 20, 5)
    clock.jump(20)
    outlet.offer(MESSAGE, devices(1), 0.0)
    assert len(asked) == 6


def test_breaker_counts_calls_that_fail_together_once():
    """Eight calls that were in flight when the vendor went down cost one pause, not eight doublings."""
    breaker = Breaker(failures=5, pause=30, monotonic=ManualClock(0).monotonic)
    for _ in range(8):
        breaker.failed()
    assert breaker.pause_left() == 30
