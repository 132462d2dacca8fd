"""A worker that is asked to let go of devices: it closes them, records what they got, and answers."""

from __future__ import annotations

import gevent
import pytest

from onepush_core.cluster.cluster import Cluster
from onepush_core.cluster.words import LetGo, Released, decode, encode
from onepush_core.errors import StoreUnavailable
from onepush_core.testing import await_that
from onepush_core.underway import Underway

ANOTHER, TICKET, DEVICE = 5, 9, 7


class Bus:
    """Notes what is said."""

    def __init__(self):
        self.said = []

    def start(self, _worker, receive):
        self.receive = receive

    def publish(self, _worker, payload):
        self.said.append(decode(payload))
        return True


class Store:
    """Takes everything, and notes how much."""

    def __init__(self):
        self.kept = 0

    def keep(self, _job, **_options):
        self.kept += 1


class Ledger:
    """Fails as often as it is told."""

    def __init__(self):
        self.failures = self.flushed = 0

    def flush(self):
        self.flushed += 1
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable


class Sockets:
    underway = Underway()


class Bench:
    """One worker of a cluster, and what is around it."""

    def __init__(self):
        self.bus, self.store, self.ledger, self.closed = Bus(), Store(), Ledger(), []
        self.cluster = Cluster(
            self.store, self.store, 3.0, self.bus, lambda event, device: self.closed.append(device)
        )
        self.cluster.attach(None, Sockets(), self.ledger, lambda _: True)
        self.cluster.exchange.start()

    def ask(self, surely):
        self.bus.receive(encode(LetGo(ANOTHER, TICKET, {DEVICE: 1}, surely)))


@pytest.fixture
def bench():
    return Bench()


def test_letting_go_is_done_once_and_answered_by_both_ways(bench):
    """The word comes over the bus and through the database, and either answer may get lost."""
    for surely in (False, True):
        bench.ask(surely)
    await_that(lambda: bench.bus.said and bench.store.kept)
    gevent.sleep(0.01)
    assert bench.bus.said == [Released(TICKET)]
    assert (bench.store.kept, bench.ledger.flushed) == (1, 1)
    assert DEVICE in bench.closed


def test_letting_go_is_answered_when_the_store_is_back(bench):
    """Whoever asks waits, and asks no more."""
    bench.ledger.failures = 1
    bench.ask(surely=False)
    await_that(lambda: bench.bus.said == [Released(TICKET)])
    assert bench.ledger.flushed == 2
