"""The registry of one worker: who is here, who has been taken over, and whom to ask about the rest."""

from __future__ import annotations

import time

import gevent
import gevent.event
import pytest

from onepush_core.cluster.registry import KNOWN, Registry
from onepush_core.cluster.session import Lease
from onepush_core.store.presence import Former

OURS, ANOTHER = 2, 5
DEVICE = 7


class Session:
    lease = Lease(OURS, float("inf"))


class Store:
    """Stands for the engine: who held the devices before, and who holds them now."""

    def __init__(self):
        self.former = {}
        self.holders = {}

    def submit(self, _job, settle):
        gevent.spawn(settle, self.former, None)

    def keep(self, _job, **_options):
        pass

    def read(self, _job):
        return self.holders


class Bus:
    """What it says of the holders."""

    def __init__(self):
        self.claims = {}
        self.written = []
        self.stalled = False

    def holders(self, devices):
        return {device: self.claims[device] for device in devices if device in self.claims}

    def hold(self, _device, _connection, written):
        self.written.append(written)
        if not self.stalled:
            written()

    def let_go(self, _device, _connection):
        pass


class Bench:
    """A registry, and what is around it. ``released``: set by the worker that held a device before."""

    def __init__(self):
        self.store, self.bus, self.moved, self.told, self.asked = Store(), Bus(), [], [], []
        self.released = gevent.event.Event()
        self.sockets = set()
        self.looked_up = gevent.event.Event()
        self.looked_up.set()
        self.registry = Registry(self.store, Session(), self.bus, self.ask, self.tell, lambda: None)

    def tell(self, event, device):
        """The transport closes a connection when another worker holds the device."""
        self.told.append((event, device))
        if event != "device_moved":
            return
        self.moved.append(device)
        if device in self.sockets:
            self.sockets.discard(device)
            self.registry.discard(device)

    def connect(self, device):
        """A whole handshake."""
        self.registry.announce(device)
        self.looked_up.wait()
        self.sockets.add(device)
        self.registry.add(device)

    def ask(self, worker, connections):
        self.asked.append((worker, connections))
        return self.released

    def begin_to_connect(self, device):
        """Up to the point where the device is announced, and looked up once more."""
        self.looked_up.clear()
        connecting = gevent.spawn(self.connect, device)
        gevent.sleep(0.01)
        return connecting


@pytest.fixture
def bench():
    return Bench()


def test_device_that_connects_is_closed_elsewhere(bench):
    """Its older socket's worker is asked; until that has answered the device is not alone here."""
    bench.store.former = {DEVICE: Former(ANOTHER, 33)}
    bench.registry.announce(DEVICE)
    gevent.sleep(0.01)
    assert bench.asked == [(ANOTHER, {DEVICE: 33})]
    assert not bench.registry.is_alone(DEVICE)
    bench.released.set()
    gevent.sleep(0.01)
    assert bench.registry.is_alone(DEVICE)


def test_device_taken_over_before_it_is_here_is_closed(bench):
    """Another worker has it by now: the transport is told as soon as it has the connection."""
    bench.registry.announce(DEVICE)
    bench.registry.close_moved({DEVICE: 1})
    bench.moved.clear()
    bench.registry.add(DEVICE)
    gevent.sleep(0)
    assert bench.moved == [DEVICE]


def test_device_taken_over_while_its_handshake_waits_is_closed(bench):
    """The device is being looked up once more when another worker has it."""
    connecting = bench.begin_to_connect(DEVICE)
    bench.registry.close_moved({DEVICE: 1})
    bench.looked_up.set()
    connecting.get(timeout=1)
    gevent.sleep(0)
    assert not bench.sockets
    assert not bench.registry.holds(DEVICE)


def test_device_taken_over_is_not_taken_back_by_an_older_handshake(bench):
    """One socket is here and another on its way when a third, elsewhere, gets the device: that one stays."""
    bench.connect(DEVICE)
    connecting = bench.begin_to_connect(DEVICE)
    asked = list(bench.asked)
    bench.registry.close_moved({DEVICE: 2})
    bench.looked_up.set()
    connecting.get(timeout=1)
    gevent.sleep(0.01)
    assert bench.asked == asked
    assert not bench.sockets
    assert not bench.registry.holds(DEVICE)


def test_device_whose_older_socket_ends_keeps_its_newer_claim(bench):
    """The old connection is over while the new one's handshake goes on."""
    bench.connect(DEVICE)
    connecting = bench.begin_to_connect(DEVICE)
    bench.sockets.discard(DEVICE)
    bench.registry.discard(DEVICE)
    assert bench.registry.holds(DEVICE)
    bench.looked_up.set()
    connecting.get(timeout=1)
    assert bench.registry.holds(DEVICE)


def test_handshake_that_is_renounced_leaves_the_older_connection(bench):
    """Nothing of a device is here only when its last connection ends."""
    bench.connect(DEVICE)
    bench.registry.announce(DEVICE)
    bench.registry.renounce(DEVICE)
    assert bench.registry.holds(DEVICE)
    bench.registry.discard(DEVICE)
    assert not bench.registry.holds(DEVICE)


def test_transport_hears_of_a_device_that_connects_once_more(bench):
    """Its older connection may have missed what went elsewhere, and others already hand over to this one."""
    bench.connect(DEVICE)
    assert bench.told == []
    connecting = bench.begin_to_connect(DEVICE)
    assert bench.told == [("device_coming", DEVICE)]
    bench.looked_up.set()
    connecting.get(timeout=1)
    bench.registry.announce(DEVICE)
    bench.registry.renounce(DEVICE)
    assert bench.told[1:] == [("device_coming", DEVICE), ("device_stays", DEVICE)]


def test_connection_is_closed_when_its_device_was_elsewhere_and_comes_again(bench):
    """Whatever comes of the handshake: another worker has had a newer connection than this one."""
    bench.connect(DEVICE)
    bench.store.former = {DEVICE: Former(ANOTHER, 33)}
    bench.registry.announce(DEVICE)
    assert not bench.sockets
    bench.registry.renounce(DEVICE)
    gevent.sleep(0.01)
    assert bench.asked == [(ANOTHER, {DEVICE: 33})]
    assert not bench.registry.holds(DEVICE)


def test_connection_is_closed_when_it_is_to_be_while_its_device_comes_again(bench):
    """Another worker asks for the older connection; the handshake that is under way is newer than that."""
    bench.connect(DEVICE)
    connecting = bench.begin_to_connect(DEVICE)
    bench.registry.close_moved({DEVICE: 1})
    assert not bench.sockets
    bench.looked_up.set()
    connecting.get(timeout=1)
    assert bench.sockets == {DEVICE}


def test_device_waits_until_the_bus_knows_of_it(bench):
    """What others store for it meanwhile may go elsewhere; a bus that stalls holds it up only so long."""
    bench.bus.stalled = True
    connecting = gevent.spawn(bench.connect, DEVICE)
    gevent.sleep(0.02)
    assert not connecting.ready()
    assert not bench.registry.is_alone(DEVICE)
    bench.bus.written.pop()()
    connecting.get(timeout=KNOWN / 2)
    assert bench.registry.is_alone(DEVICE)
    gevent.spawn(bench.connect, 8).get(timeout=3 * KNOWN)
    assert bench.registry.is_alone(8)


def test_device_counts_as_coming_until_it_is_released(bench):
    """However long ago it connected: the worker before may deliver what is stored meanwhile."""
    bench.store.former = {DEVICE: Former(ANOTHER, 33)}
    bench.connect(DEVICE)
    gevent.sleep(0.01)
    assert bench.registry.came_since([DEVICE, 8], later(60_000)) == [DEVICE]
    stored = later(0)
    gevent.sleep(0.01)
    bench.released.set()
    gevent.sleep(0.01)
    assert bench.registry.came_since([DEVICE, 8], stored) == [DEVICE]
    assert bench.registry.came_since([DEVICE, 8], later(1_000)) == []


def later(milliseconds):
    """So much later than now, since the epoch."""
    return round(time.time() * 1000) + milliseconds


def test_device_that_comes_back_is_not_closed(bench):
    """What was taken over is forgotten with a newer connection."""
    bench.registry.announce(DEVICE)
    bench.registry.close_moved({DEVICE: 1})
    bench.registry.announce(DEVICE)
    bench.moved.clear()
    bench.registry.add(DEVICE)
    gevent.sleep(0)
    assert bench.moved == []


def test_find_asks_the_database_for_who_is_not_here_any_more(bench):
    """The bus may lag behind: it says that this very worker holds a device that has gone elsewhere."""
    bench.bus.claims = {DEVICE: OURS}
    bench.store.holders = {DEVICE: ANOTHER}
    assert bench.registry.find([DEVICE]) == {DEVICE: ANOTHER}
    bench.registry.announce(DEVICE)
    assert bench.registry.find([DEVICE]) == {DEVICE: OURS}


def test_find_asks_the_database_for_who_is_here_and_not_yet_on_the_bus(bench):
    """The bus still believes it to be at the worker before."""
    bench.connect(DEVICE)
    bench.bus.claims = {DEVICE: ANOTHER}
    bench.store.holders = {DEVICE: OURS}
    assert bench.registry.find([DEVICE]) == {DEVICE: OURS}
