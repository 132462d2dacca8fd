"""Rounds as they run: chains beside the lane, their limits, and promises that a transport does not keep."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event

from core_doubles import add_device, make_app
from inside_gateway import PATIENCE, counts, running, send, settle, trail
from onepush_core.asking import LEASE, Asking
from onepush_core.chains import MOST
from onepush_core.errors import StoreUnavailable
from onepush_core.fences import Alone
from onepush_core.hookspecs import hookimpl
from onepush_core.objects import App, Message, Outcome, Outcomes, Selector, Status
from onepush_core.offering import Offering
from onepush_core.outlets import Outlet
from onepush_core.rounds import HOLD
from onepush_core.testing import ManualClock, RecordingSockets, await_that


class Vendor:
    """A transport beside the lane whose calls wait until ``open`` is set; it notes the messages' texts."""

    def __init__(self, open_: bool = False) -> None:
        self.open = Event()
        self.asked: list[str] = []
        if open_:
            self.open.set()

    @hookimpl
    def deliver(self, message, devices):
        self.asked.append(message.alert)
        self.open.wait(PATIENCE)
        return [Outcomes(devices.keys, Status.SENT)]


class Holder:
    """A transport of the lane that says HELD and reports when it is told to."""

    def __init__(self) -> None:
        self.held: list[tuple] = []

    @hookimpl(tryfirst=True)
    def deliver(self, message, devices):
        self.held += [(message, key) for key in devices.keys]
        return [Outcome(key, Status.HELD) for key in devices.keys]


@pytest.fixture
def clock():
    return ManualClock()


def test_vendor_does_not_hold_up_the_lane(tmp_path):
    """While a vendor's call hangs, later messages of the same app reach those online."""
    vendor, online = Vendor(), RecordingSockets()
    with running(tmp_path, vendor, online) as gateway:
        app = make_app(gateway)
        here, away = add_device(gateway, app, "here"), add_device(gateway, app, "away")
        online.connected = {here}
        first, second = send(gateway, app), send(gateway, app)
        await_that(lambda: [message for message, _ in online.calls] == [first, second])
        await_that(lambda: counts(gateway, app, second) == {"handedOff": 1, "pending": 1})
        vendor.open.set()
        await_that(lambda: counts(gateway, app, second) == {"handedOff": 2})
        assert away in online.calls[0][1]


def test_leased_devices_come_back_after_a_crash(tmp_path, clock):
    """Devices in hand of a vendor's call are leased; the next start offers them again."""
    vendor = Vendor()
    with running(tmp_path, vendor, clock=clock) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        message = send(gateway, app)
        await_that(lambda: vendor.asked)
        gateway.flush()
    vendor = Vendor(open_=True)
    with running(tmp_path, vendor, clock=clock) as gateway:
        await_that(lambda: counts(gateway, app, message) == {"handedOff": 1})
        assert vendor.asked == ["hello"]


def test_full_chain_makes_devices_wait(tmp_path, clock):
    """More chains than may wait for a transport: the rest is not kept in memory, it comes due a bit later."""
    vendor = Vendor()
    with running(tmp_path, vendor, clock=clock, concurrency=1) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        for number in range(MOST + 4):
            send(gateway, app, alert=str(number))
        settle(gateway)
        await_that(lambda: vendor.asked)
        assert gateway.asking.find("one").waiting == MOST
        vendor.open.set()
        await_that(lambda: len(vendor.asked) == MOST)
        clock.advance(1)
        assert len(vendor.asked) == MOST + 4


def test_chain_begins_no_call_at_the_end_of_its_lease(tmp_path, clock):
    """A chain that waited too long for its place leaves its devices to the next: nobody is asked twice."""
    vendor = Vendor()
    with running(tmp_path, vendor, clock=clock, concurrency=1) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        send(gateway, app, alert="first")
        await_that(lambda: vendor.asked)
        message = send(gateway, app, alert="second")
        settle(gateway)
        clock.jump((LEASE - 30_000) / 1000)
        vendor.open.set()
        await_that(lambda: gateway.asking.find("one").waiting == 0)
        assert vendor.asked == ["first"]
        clock.advance(30)
        assert counts(gateway, app, message) == {"handedOff": 1}
    assert vendor.asked == ["first", "second"]


def test_chain_offers_nothing_after_expiry(tmp_path, clock):
    """A message that expired while its call waited for a place does not leave any more."""
    vendor = Vendor()
    with running(tmp_path, vendor, clock=clock, concurrency=1) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        send(gateway, app, alert="first")
        await_that(lambda: vendor.asked)
        send(gateway, app, alert="late", duration=5)
        settle(gateway)
        clock.jump(5)
        vendor.open.set()
        await_that(lambda: gateway.asking.find("one").waiting == 0)
    assert vendor.asked == ["first"]


def test_chain_offers_nothing_of_a_cancelled_message(tmp_path, clock):
    """Nor does one that was cancelled meanwhile."""
    vendor = Vendor()
    with running(tmp_path, vendor, clock=clock, concurrency=1) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        send(gateway, app, alert="first")
        await_that(lambda: vendor.asked)
        message = send(gateway, app, alert="cancelled")
        settle(gateway)
        gateway.cancel(app, message)
        vendor.open.set()
        await_that(lambda: gateway.asking.find("one").waiting == 0)
    assert vendor.asked == ["first"]


def test_device_that_connects_during_a_call_gets_its_repeats(tmp_path, clock):
    """The vendor's answer comes later than the socket's, and does not undo the resend schedule."""
    vendor, online = Vendor(), RecordingSockets(connected=set())
    with running(tmp_path, vendor, online, clock=clock) as gateway:
        app = make_app(gateway)
        key = add_device(gateway, app, "t")
        message = gateway.find_message(send(gateway, app, need_confirm=True))
        await_that(lambda: vendor.asked)
        online.connected = {key}
        gateway.record("two", message, [Outcome(key, Status.SENT, again=True)])
        vendor.open.set()
        await_that(lambda: gateway.asking.find("one").waiting == 0)
        gateway.flush()
        calls = len(online.calls)
        clock.advance(13)
        assert len(online.calls) == calls + 1


def test_held_device_is_ended_by_its_report(tmp_path):
    """HELD leaves it pending; ``gateway.record`` ends it, with a line in the trail."""
    holder = Holder()
    with running(tmp_path, holder) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        sent = send(gateway, app)
        settle(gateway)
        assert counts(gateway, app, sent) == {"pending": 1}
        [(message, key)] = holder.held
        gateway.record("one", message, [Outcome(key, Status.DELIVERED)])
        gateway.flush()
        assert counts(gateway, app, sent) == {"handedOff": 1}
        assert trail(gateway, app, sent) == [("one", "delivered", None)]


def test_held_device_comes_back_without_a_report(tmp_path, clock):
    """A transport that forgets its promise costs ten seconds."""
    holder = Holder()
    with running(tmp_path, holder, clock=clock) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        send(gateway, app)
        settle(gateway)
        clock.jump((HOLD - 1) / 1000)
        assert not gateway.followup.run_due()
        clock.jump(0.001)
        await_that(lambda: gateway.followup.run_due() or len(holder.held) == 2)


def test_transient_message_ends_with_its_first_round(tmp_path):
    """``duration: 0``: whom the first round reaches has it, everybody else's delivery is over at once."""
    online = RecordingSockets()
    with running(tmp_path, online) as gateway:
        app = make_app(gateway)
        online.connected = {add_device(gateway, app, "here")}
        add_device(gateway, app, "away")
        message = send(gateway, app, duration=0)
        settle(gateway)
        assert counts(gateway, app, message) == {"handedOff": 1, "expired": 1}
        assert gateway.status(app, message)["state"] == "finished"


def test_full_queue_drops_the_oldest(tmp_path):
    """Beyond the limit the oldest pending message goes, and its trail says why."""
    nobody = RecordingSockets()
    nobody.connected = set()
    with running(tmp_path, nobody, queue_limit=2) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t", "ann")
        sent = [send(gateway, app, Selector("ALIAS", ("ann",))) for _ in range(3)]
        settle(gateway)
        assert [counts(gateway, app, one) for one in sent] == [{"dropped": 1}, {"pending": 1}, {"pending": 1}]
        assert trail(gateway, app, sent[0]) == [("onepush", "dropped", "queue full")]


def test_breaking_transport_leaves_others_alone(tmp_path):
    """A transport in the lane that hangs until its deadline costs that time, once, and nobody's message."""

    class Hanging:
        @hookimpl(tryfirst=True)
        def deliver(self, message, devices):
            gevent.sleep(PATIENCE)

    online = RecordingSockets()
    with running(tmp_path, online, Hanging(), deadline=0.05) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        message = send(gateway, app)
        settle(gateway)
        assert counts(gateway, app, message) == {"handedOff": 1}
        assert trail(gateway, app, message) == [
            ("two", "failed", "deadline exceeded"),
            ("one", "delivered", None),
        ]


class Choosy(Vendor):
    """A transport beside the lane that takes the devices of one vendor."""

    def takes(self, message, device):
        return device.vendor == "PAGER"


def test_first_transports_names_who_would_be_asked_first(tmp_path):
    """The lane's transport for whom is online; else who takes the device, unless its address is dead."""
    with running(tmp_path, Choosy(), RecordingSockets()) as gateway:
        app = make_app(gateway)
        keys = [add_device(gateway, app, f"t{number}", vendor="PAGER") for number in range(3)]
        keys.append(add_device(gateway, app, "other"))
        gateway.presence.add(keys[0])
        gateway.forget("one", [keys[1]])
        gateway.flush()
        message = gateway.find_message(send(gateway, app))
        found = gateway.first_transports(message, keys)
        settle(gateway)
    assert [(device.key, name) for device, name in found] == list(
        zip(keys, ["two", None, "one", None], strict=True)
    )


class Nothing:
    """Stands for plugins that check nothing back, and for a store that does not answer."""

    def implementations(self, _hook):
        return []

    def read(self, _job):
        raise StoreUnavailable


class Notes:
    """Stands for the ledger."""

    def __init__(self) -> None:
        self.devices: list[int] = []

    def record(self, _message, verdicts, *_rest, **_options):
        self.devices += [key for verdict in verdicts for key in verdict.change.devices]


def test_page_that_fails_after_its_writes_has_them_on_record(clock):
    """The store does not say whom a vendor may be asked for: who has the message is not offered it again."""
    notes, store = Notes(), Nothing()
    asking = Asking(clock, lambda _: False)
    options = {"takes": None, "deadline": 5.0, "concurrency": 4}

    def write(message, devices, waited):
        return [[Outcomes([1], Status.DELIVERED)]]

    asking.open(
        [
            Outlet("online", 1, write, first=True, **options),
            Outlet("vendor", 2, write, first=False, **options),
        ]
    )
    offering = Offering(store, store, notes, clock, asking)
    expiry = clock.now() + 1000
    message = Message(
        key=1, id="m1", app=App(1, "app", "test"), alert="hello", accepted_at=0, expires_at=expiry
    )
    with pytest.raises(StoreUnavailable):
        offering.first_round(message, [1, 2], None, True, Alone())
    assert notes.devices == [1]
