"""The clock that is moved by hand: what comes due happens, in its order, and costs no time."""

from __future__ import annotations

import time

import gevent
import pytest

from onepush_core import Status, hookimpl
from onepush_core.testing import ManualClock, RecordingSockets, RecordingTransport
from onepush_core.testing.manual_clock import START

MINUTE = 60.0


class Patience:
    """Wants silent devices offered again after five minutes, and notes when it was asked."""

    def __init__(self):
        self.asked = []

    @hookimpl
    def startup(self, gateway):
        self.clock = gateway.clock

    @hookimpl
    def check_back(self, message):
        return [300.0] if message.need_confirm else None

    @hookimpl(trylast=True)
    def deliver(self, message, devices, waited):
        self.asked.append((round(waited, 3), len(devices)))


class Heart:
    """Beats once a minute by the gateway's clock."""

    def __init__(self):
        self.beats = []

    @hookimpl
    def startup(self, gateway):
        self.greenlet = gevent.spawn(self.run, gateway.clock)

    @hookimpl
    def shutdown(self):
        self.greenlet.kill()

    def run(self, clock):
        while True:
            clock.sleep(MINUTE)
            gevent.sleep(0.001)  # something that takes a moment
            self.beats.append(clock.now() - START)


@pytest.fixture
def plugins():
    return {
        "sockets": RecordingSockets(Status.SENT, connected=set(), again=True),
        "vendor": RecordingTransport(Status.FAILED, retry_after=30.0, wanted=lambda one: one.vendor == "V"),
        "patience": Patience(),
    }


def test_clock_stands_still(clock):
    """Until somebody moves it."""
    before = clock.now(), clock.monotonic()
    gevent.sleep(0.01)
    assert (clock.now(), clock.monotonic()) == before


def test_five_minutes_cost_no_time(client, clock, plugins):
    """A check-back after 300 seconds comes at 300 seconds, within a moment."""
    client.register("ann")
    client.send("ann", needConfirm=True)
    began = time.monotonic()
    clock.advance(299.999)
    assert plugins["patience"].asked == [(0.0, 1)]
    clock.advance(0.001)
    assert plugins["patience"].asked == [(0.0, 1), (300.0, 1)]
    assert time.monotonic() - began < 5


def test_advance_stops_wherever_something_is_due(client, clock, plugins):
    """A transport that wants to be asked again after 30 seconds is asked after each 30 seconds."""
    client.register("ann", vendor="V")
    request = client.send("ann", duration=100)
    clock.advance(1000)
    assert len(plugins["vendor"].calls) == 4  # at 0, 30, 60, 90
    assert client.counts(request) == {"expired": 1}


def test_advance_does_first_what_is_due_already(client, clock, plugins):
    """What came due while the clock was only set is not passed over."""
    client.register("ann")
    client.send("ann", needConfirm=True)
    clock.jump(400)
    assert plugins["patience"].asked == [(0.0, 1)]
    clock.advance(1)
    assert plugins["patience"].asked == [(0.0, 1), (400.0, 1)]


def test_message_is_repeated_on_the_schedule(client, clock, plugins):
    """The gaps are 10, 30 and 60 seconds, each a fifth more or less."""
    sockets = plugins["sockets"]
    device = client.device(client.register("ann"))
    sockets.connected = {device.key}
    client.send("ann", needConfirm=True)
    offered = []
    for _ in range(130):
        clock.advance(1)
        offered.append(len(sockets.calls))
    repeats = [second for second, number in enumerate(offered, 1) if number > ([1, *offered])[second - 1]]
    assert len(repeats) == 3
    gaps = [later - earlier for earlier, later in zip([0, *repeats], repeats, strict=False)]
    assert all(0.8 * gap <= found <= 1.2 * gap + 1 for gap, found in zip((10, 30, 60), gaps, strict=True))


def test_message_expires_in_time(client, clock):
    """A message nobody takes ends with its life, not a moment before."""
    client.register("ann")
    request = client.send("ann", duration=60)
    clock.advance(59.999)
    assert client.counts(request) == {"pending": 1}
    clock.advance(0.001)
    assert client.counts(request) == {"expired": 1}


def test_finished_message_is_forgotten_after_a_week(client, clock):
    """The loops for retention are moved along as well."""
    client.register("ann")
    request = client.send("ann", duration=60)
    clock.advance(60)
    clock.advance(7 * 86_400 + 1)
    assert client.call("GET", f"/v1/messages/{request}").status_code == 404


def test_plugins_wake_by_the_clock(start_gateway, clock):
    """Who sleeps by the gateway's clock wakes at its time, and is waited for."""
    heart = Heart()
    start_gateway({"heart": heart})
    gevent.sleep(0.01)
    clock.advance(200)
    assert heart.beats == [60_000, 120_000, 180_000]


def test_killed_sleepers_are_forgotten(clock):
    """A greenlet that ends in its sleep does not hold up the clock."""
    sleeper = gevent.spawn(clock.sleep, 10)
    gevent.sleep(0)
    sleeper.kill()
    clock.advance(20)
    assert clock.now() == START + 20_000


def test_clock_tells_of_who_does_not_come_back(monkeypatch):
    """A greenlet that was woken and waits for something else for ever is an error of the test."""
    monkeypatch.setattr("onepush_core.testing.manual_clock.PATIENCE", 0.05)
    clock = ManualClock()

    def run():
        clock.sleep(1)
        gevent.sleep(30)

    sleeper = gevent.spawn(run)
    gevent.sleep(0)
    with pytest.raises(AssertionError, match="still at work"):
        clock.advance(1)
    sleeper.kill()


def test_breaker_goes_by_the_clock(client, clock, plugins, stage):
    """A transport that raised five times in a row is left alone for 30 seconds of the clock."""
    vendor = plugins["vendor"]
    vendor.wanted = lambda device: 1 / 0
    client.register("ann", vendor="V")
    request = client.send("ann")
    clock.advance(25)
    assert len(vendor.calls) == 5
    assert client.trail(request)[-1][1:] == ("failed", "plugin error: ZeroDivisionError")
    vendor.wanted = None
    vendor.status = Status.SENT
    clock.advance(24.9)
    assert client.counts(request) == {"pending": 1}
    clock.advance(0.1)
    assert client.counts(request) == {"handedOff": 1}
