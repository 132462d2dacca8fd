"""Pages of other workers: offered at once to whom they are new for sure, else as the ledger has it."""

from __future__ import annotations

import time

import gevent
import pytest

from onepush_core.cluster.handover import Incoming
from onepush_core.cluster.session import Lease
from onepush_core.cluster.words import hand_over
from onepush_core.errors import StoreUnavailable
from onepush_core.objects import App, Device, Message
from onepush_core.store.due import Due

APP = App(1, "app", "test")
SENDER, RECEIVER = 1, 2


def message(key):
    return Message(key=key, id=f"m{key}", app=APP, alert="hello", accepted_at=0, expires_at=1 << 60)


def due(key, device):
    return Due(key, 0, 0, Device(device, f"d{device}", 1, "ann", "PC", f"t{device}"))


class Connections:
    """Devices that are here: number of the connection, and since when."""

    def __init__(self):
        self.numbers = {10: 1, 11: 2}
        self.since = {}

    def came_since(self, devices, at):
        return [device for device in devices if self.since.get(device, 0) >= at]

    def connections(self, devices):
        return {device: (self.numbers[device], True) for device in devices if device in self.numbers}

    def disown(self, devices):
        pass


class Ledger:
    """What is open: by message, in order. Stands for the engine, too."""

    def __init__(self):
        self.open = []
        self.looked = 0

    def flush(self):
        pass

    def read(self, _job):
        self.looked += 1
        return self.open


class Sockets:
    """Notes what is offered; ``then`` is done after each offer."""

    def __init__(self):
        self.offered = []
        self.then = lambda: None

    def offer_here(self, message, keys, _fence):
        self.offered.append((message.key, list(keys)))

    def offer_again_here(self, message, due, _fence):
        self.offered.append((message.key, [one.device.key for one in due]))
        self.then()

    def settle(self, _patience):
        pass


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
        self.take(1)

    def fail_once(self):
        self.ledger.flush = lambda: None
        raise StoreUnavailable

    def put(self, key):
        """As from a bus: its turn comes soon."""
        running = gevent.spawn(self.incoming.run)
        self.incoming.put(self.page(key))
        gevent.idle()
        running.kill()

    def take(self, key, devices=(10, 11), age=0.0):
        self.incoming.take(self.page(key, devices, age))

    def page(self, key, devices=(10, 11), age=0.0):
        self.number += 1
        at = round((time.time() - age) * 1000)
        return hand_over(SENDER, RECEIVER, self.number, message(key), list(devices), None, at)


@pytest.fixture
def bench():
    return Bench()


def test_page_in_order_is_offered_at_once(bench):
    """To devices that were here all the time, once the first has shown where the app stands."""
    bench.take(2)
    looked = bench.ledger.looked
    bench.take(3)
    assert bench.sockets.offered[-1] == (3, [10, 11])
    assert bench.ledger.looked == looked


def test_page_is_looked_up_for_who_came_after_it(bench):
    """It was elsewhere when the page was handed over, and may have got the message there."""
    bench.take(2)
    bench.connections.since[10] = round(time.time() * 1000)
    looked = bench.ledger.looked
    bench.take(3, age=30.0)
    assert bench.sockets.offered[-1] == (3, [11])
    assert bench.ledger.looked == looked + 1


def test_page_that_fails_makes_the_next_ones_doubtful(bench):
    """Its devices would get the next message first."""
    bench.take(2)
    bench.connections.since[10] = 1 << 60
    bench.ledger.flush = bench.fail_once
    bench.put(3)
    bench.connections.since.clear()
    looked = bench.ledger.looked
    bench.put(4)
    assert bench.ledger.looked == looked + 1


def test_who_connects_while_what_is_open_is_offered_is_left_out(bench):
    """Its backlog has the rest, and what it got elsewhere in between is open no more."""
    bench.ledger.open = [(message(key), [due(key, 10), due(key, 11)]) for key in (2, 3)]
    bench.sockets.then = lambda: bench.connections.numbers.update({10: 5})
    bench.connections.since = {10: 1 << 60, 11: 1 << 60}
    bench.take(3)
    assert bench.sockets.offered[-2:] == [(2, [10, 11]), (3, [11])]
