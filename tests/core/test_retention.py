"""Retention: what ended long ago is forgotten, what is open or young is not."""

from __future__ import annotations

import pytest

from core_doubles import add_device, make_app
from inside_gateway import running, send, settle
from onepush_core.errors import IdempotencyMismatch, UnknownMessage
from onepush_core.housekeeping import Housekeeping
from onepush_core.objects import Draft, Selector
from onepush_core.settings import RetentionSettings
from onepush_core.testing import ManualClock, RecordingSockets

DAY = 24 * 3600 * 1000
ROWS = ("message", "delivery", "trail", "message_transport")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def transport():
    return RecordingSockets()


@pytest.fixture
def gateway(tmp_path, clock, transport):
    with running(tmp_path, transport, clock=clock) as started:
        yield started


@pytest.fixture
def app(gateway):
    return make_app(gateway)


def rows(gateway) -> dict[str, int]:
    return gateway.read(
        lambda transaction: {table: transaction.row(f"SELECT count(*) FROM {table}")[0] for table in ROWS}
    )


class Watched:
    """An engine that notes after each commit how many deliveries are left."""

    def __init__(self, gateway):
        self.left = []
        self._gateway = gateway

    def read(self, job):
        return self._gateway.engine.read(job)

    def write(self, job):
        done = self._gateway.engine.write(job)
        self.left.append(rows(self._gateway)["delivery"])
        return done


def test_prune_forgets_what_ended_long_ago(gateway, app, clock):
    """A week after its end a message is gone, with its deliveries and its trail; a day before it is not."""
    add_device(gateway, app, "t")
    message = send(gateway, app)
    settle(gateway)
    clock.jump((7 * DAY - 1000) / 1000)
    gateway.housekeeping.prune()
    assert gateway.status(app, message)["state"] == "finished"
    clock.jump(2)
    gateway.housekeeping.prune()
    assert set(rows(gateway).values()) == {0}
    with pytest.raises(UnknownMessage):
        gateway.status(app, message)


def test_prune_spares_what_is_pending(gateway, app, clock, transport):
    """However old: a message ends before it is forgotten."""
    transport.connected = set()
    add_device(gateway, app, "t")
    message = send(gateway, app, duration=259_200)
    settle(gateway)
    clock.jump(2 * DAY / 1000)
    gateway.housekeeping.prune()
    assert gateway.status(app, message)["counts"]["pending"] == 1


def test_prune_counts_from_the_end(gateway, app, clock, transport):
    """The week begins when the last delivery has ended, not at acceptance."""
    transport.connected = set()
    add_device(gateway, app, "t")
    message = send(gateway, app, duration=259_200)
    settle(gateway)
    clock.jump(3 * DAY / 1000)
    gateway.housekeeping.expire()
    clock.jump(5 * DAY / 1000)
    gateway.housekeeping.prune()
    assert gateway.status(app, message)["counts"]["expired"] == 1


def test_prune_works_in_small_batches(gateway, app, clock):
    """A message of more rows than a batch is deleted in several commits, completely."""
    for number in range(25):
        add_device(gateway, app, f"t{number}")
    send(gateway, app)
    settle(gateway)
    clock.jump(8 * DAY / 1000)
    watched = Watched(gateway)
    Housekeeping(watched, clock, RetentionSettings(batch=10)).prune()
    assert watched.left[:3] == [15, 5, 0]
    assert set(rows(gateway).values()) == {0}


def test_prune_forgets_more_than_a_batch(gateway, app, clock):
    """However many messages and keys have ended meanwhile, one pruning forgets them all."""
    add_device(gateway, app, "t")
    mine = Draft(alert="mine", selector=Selector("ALL", ("ALL",)))
    for number in range(25):
        gateway.send(app, mine, (f"key{number}", b"mine"))
    settle(gateway)
    clock.jump(8 * DAY / 1000)
    Housekeeping(gateway.engine, clock, RetentionSettings(batch=10)).prune()
    assert set(rows(gateway).values()) == {0}
    assert gateway.read(lambda transaction: transaction.row("SELECT count(*) FROM idempotency")[0]) == 0


def test_prune_forgets_idempotency_keys(gateway, app, clock):
    """A key stands for its message for 24 hours, then it may be used anew."""
    mine = Draft(alert="mine", selector=Selector("ALL", ("ALL",)))
    first, _ = gateway.send(app, mine, ("key", b"mine"))
    clock.jump((DAY - 1000) / 1000)
    gateway.housekeeping.prune()
    assert gateway.send(app, mine, ("key", b"mine")) == (first, True)
    with pytest.raises(IdempotencyMismatch):
        gateway.send(app, mine, ("key", b"other"))
    clock.jump(2)
    gateway.housekeeping.prune()
    count = gateway.read(lambda transaction: transaction.row("SELECT count(*) FROM idempotency")[0])
    assert count == 0
