"""Pages of other workers: offered at once to whom they are new for sure, else as the ledger has it."""

from __future__ import annotations

import time

import gevent
import msgspec
import pytest

from onepush_core.cluster.incoming import Incoming
from onepush_core.cluster.lookup import LookUp
from onepush_core.cluster.session import Lease
from onepush_core.cluster.words import Place, hand_over
from onepush_core.errors import StoreUnavailable
from onepush_core.objects import App, Device, Message
from onepush_core.store.due import Due
from onepush_core.underway import Underway

APP = App(1, "app", "test")
SENDER, RECEIVER = 1, 2


def message(key):
    return Message(key=key, id=f"m{key}", app=APP, alert="hello", accepted_at=0, expires_at=1 << 60)


def due(key, device, attempts=0):
    device = Device(device, f"d{device}", 1, "ann", "PC", f"t{device}")
    return Due(key, 0, 0, msgspec.structs.replace(device, attempts=attempts))


class Connections:
    """Devices that are here: number of the connection, and since when."""

    def __init__(self):
        self.numbers = {10: 1, 11: 2}
        self.since = {}

    def came_since(self, devices, at):
        return [device for device in devices if self.since.get(device, 0) >= at]

    def connections(self, devices):
        return {device: (self.numbers[device], True) for device in devices if device in self.numbers}

    def holds(self, device):
        return device in self.numbers

    def disown(self, devices):
        pass


class Ledger:
    """What is open: by message, in order. Stands for the engine, too."""

    def __init__(self):
        self.open = []
        self.looked = 0
        self.meanwhile = lambda: None

    def flush(self):
        pass

    def read(self, _job):
        self.looked += 1
        self.meanwhile()
        return self.open


class Sockets:
    """Notes what is offered; ``then`` is done after each offer."""

    def __init__(self):
        self.offered = []
        self.then = lambda: None
        self.underway = Underway()

    def offer_here(self, message, keys, _fence):
        self.offered.append((message.key, list(keys)))
        self.then()

    def offer_again_here(self, message, due, _fence):
        self.offered.append((message.key, [one.device.key for one in due]))
        self.then()


class Session:
    lease = Lease(RECEIVER, float("inf"))


class Bench:
    """An Incoming that has had its first page, and what is around it."""

    def __init__(self):
        self.connections, self.ledger, self.sockets = Connections(), Ledger(), Sockets()
        self.incoming = Incoming(
            self.ledger,
            Session(),
            self.connections,
            self.ledger,
            self.sockets,
            lambda _: True,
            lambda _: False,
        )
        self.number = 0
        self.take(self.page(1))

    def fail(self):
        raise StoreUnavailable

    def fail_once(self):
        self.ledger.flush = lambda: None
        self.fail()

    def take(self, *pages):
        """As from a bus, all at once."""
        for page in pages:
            self.incoming.put(page)
        self.incoming.take_turn()

    def page(self, key, devices=(10, 11), age=0.0, attempts=None, term=1):
        self.number += 1
        at = round((time.time() - age) * 1000)
        return hand_over(
            SENDER, RECEIVER, message(key), list(devices), attempts, Place(self.number, at, term)
        )


@pytest.fixture
def bench():
    return Bench()


def test_page_in_order_is_offered_at_once(bench):
    """To devices that were here all the time, once the first has shown where the app stands."""
    bench.take(bench.page(2))
    looked = bench.ledger.looked
    bench.take(bench.page(3))
    assert bench.sockets.offered[-1] == (3, [10, 11])
    assert bench.ledger.looked == looked


def test_page_is_looked_up_for_who_came_after_it(bench):
    """It was elsewhere when the page was handed over, and may have got the message there."""
    bench.take(bench.page(2))
    bench.connections.since[10] = round(time.time() * 1000)
    looked = bench.ledger.looked
    bench.take(bench.page(3, age=30.0))
    assert bench.sockets.offered[-1] == (3, [11])
    assert bench.ledger.looked == looked + 1


def test_page_that_fails_makes_the_next_ones_doubtful(bench):
    """Its devices would get the next message first."""
    bench.take(bench.page(2))
    bench.sockets.then = bench.fail
    bench.take(bench.page(3))
    bench.sockets.then = lambda: None
    looked = bench.ledger.looked
    bench.take(bench.page(4))
    assert bench.ledger.looked == looked + 1


def test_page_for_who_has_just_come_waits_for_no_commit(bench):
    """It has its backlog from here: after a reconnect of many the ledger is busy with what that brought."""
    bench.take(bench.page(2))
    bench.connections.since[10] = round(time.time() * 1000)
    bench.ledger.flush = bench.fail
    looked = bench.ledger.looked
    bench.take(bench.page(3))
    assert bench.ledger.looked == looked + 1


def test_who_connects_while_what_is_open_is_offered_is_left_out(bench):
    """Its backlog has the rest, and what it got elsewhere in between is open no more."""
    bench.ledger.open = [(message(key), [due(key, 10), due(key, 11)]) for key in (2, 3)]
    bench.sockets.then = lambda: bench.connections.numbers.update({10: 5})
    bench.connections.since = {10: 1 << 60, 11: 1 << 60}
    bench.take(bench.page(3))
    assert bench.sockets.offered[-2:] == [(2, [10, 11]), (3, [11])]


def test_what_a_lane_offers_while_the_ledger_is_read_is_left_out(bench):
    """It was still open when it was read, and goes to the device at this moment."""
    underway = bench.sockets.underway

    def offer():
        with underway.offering(2, [10]):
            pass

    bench.ledger.meanwhile = offer
    bench.ledger.open = [(message(2), [due(2, 10), due(2, 11)])]
    bench.sockets.offered.clear()
    bench.take(bench.page(2, term=3))
    assert bench.sockets.offered == [(2, [11])]


def test_pages_that_wait_share_one_look_into_the_ledger(bench):
    """What waits comes again every few seconds: a look for each page would take longer than that."""
    looked = bench.ledger.looked
    bench.take(*(bench.page(key, attempts=[0, 0]) for key in range(2, 102)))
    assert bench.ledger.looked == looked + 1


def test_page_behind_one_that_is_looked_up_waits_for_that(bench):
    """Its devices would get the later message first; others get it at once."""
    bench.take(bench.page(2))
    bench.ledger.open = [(message(3), [due(3, 10)]), (message(4), [due(4, 10)])]
    bench.take(bench.page(3, devices=[10], attempts=[0]), bench.page(4), bench.page(5, devices=[11]))
    assert bench.sockets.offered[-4:] == [(4, [11]), (5, [11]), (3, [10]), (4, [10])]


def test_gap_behind_a_page_that_is_looked_up_leaves_its_devices_in_doubt(bench):
    """They are looked up as far as that page, and what is missing may be later."""
    bench.take(bench.page(2))
    bench.connections.since = {10: 1 << 60, 11: 1 << 60}
    first = bench.page(3)
    bench.number += 1
    bench.take(first, bench.page(5, devices=[12]))
    bench.connections.since.clear()
    looked = bench.ledger.looked
    bench.take(bench.page(6))
    assert bench.ledger.looked == looked + 1


def test_lane_that_was_elsewhere_leaves_all_devices_in_doubt(bench):
    """The same worker hands over as before, but what another one did in between may have been lost."""
    bench.take(bench.page(2))
    looked = bench.ledger.looked
    bench.take(bench.page(3, term=3))
    assert bench.ledger.looked == looked + 1


def test_repetition_is_not_counted_and_begins_no_doubt(bench):
    """It goes another way, and whoever repeats has not the lane."""
    bench.take(bench.page(2))
    bench.take(hand_over(3, RECEIVER, message(1), [10], [1]))
    looked = bench.ledger.looked
    bench.take(bench.page(3))
    assert bench.ledger.looked == looked


def test_catching_up_that_fails_says_so(bench):
    """Whoever takes a lane must not go on as if all had been delivered; tried again, it succeeds."""
    bench.connections.numbers[12] = 1
    bench.ledger.open, bench.ledger.flush = [(1, 12)], bench.fail_once
    working = gevent.spawn(bench.incoming.run)
    with pytest.raises(StoreUnavailable):
        bench.incoming.catch_up(1, 0, 5.0)
    bench.ledger.open = []
    bench.incoming.catch_up(1, 0, 5.0)
    working.kill()


@pytest.fixture
def look_up():
    """First deliveries up to message 5 to device 10, a repetition of 7 to 11, message 6 alone to 12."""
    look_up = LookUp()
    look_up.add(5, [10])
    look_up.add(3, [10])
    look_up.add_again(7, {11: 2})
    look_up.add_only(6, [12])
    return look_up


@pytest.mark.parametrize("one", [due(4, 10), due(5, 10), due(7, 11), due(7, 11, attempts=2), due(6, 12)])
def test_look_up_asks_for_what_comes_before_and_for_repetitions(look_up, one):
    """First deliveries up to the latest page of a device, and what was offered just so often before."""
    assert look_up.has_asked_for(one)


@pytest.mark.parametrize(
    "one",
    [
        *(due(6, 10), due(8, 11), due(5, 12), due(7, 12)),
        *(due(4, 10, attempts=1), due(7, 11, attempts=1), due(7, 10, attempts=2)),
    ],
)
def test_look_up_asks_for_nothing_else(look_up, one):
    """What is later, or was offered in between, comes by itself."""
    assert not look_up.has_asked_for(one)
