"""Deliveries that come due while the store is in trouble: none waits for a lease, and none comes twice."""

from __future__ import annotations

import pytest

from core_doubles import add_device, make_app
from inside_gateway import running, send, settle
from onepush_core.asking import LEASE
from onepush_core.errors import StoreUnavailable
from onepush_core.followup import Followup
from onepush_core.testing import ManualClock, RecordingSockets, await_that

LATER = 15
"""Seconds after which a message that was not confirmed is due again."""


class SlowEngine:
    """An engine whose first commit takes longer than anybody waits for it: until ``commit``."""

    def __init__(self, engine) -> None:
        self._engine = engine
        self._waiting = None
        self.read, self.keep, self.flush = engine.read, engine.keep, engine.flush

    def write(self, job, then):
        if self._waiting:
            return self._engine.write(job, then)
        self._waiting = job, then
        raise StoreUnavailable

    def commit(self):
        """What was taken for lost is committed in the end."""
        self._engine.write(*self._waiting)


class HastySlowEngine(SlowEngine):
    """Its first commit is there in the very moment in which who waits is told that it takes too long."""

    def write(self, job, then):
        late = not self._waiting
        self._waiting = job, then
        claimed = self._engine.write(job, then)
        if late:
            raise StoreUnavailable
        return claimed

    def commit(self):
        """It was there before."""


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def online():
    return RecordingSockets()


@pytest.fixture
def gateway(tmp_path, online, clock):
    """A gateway with a message that was sent once, and is due again."""
    with running(tmp_path, online, clock=clock) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        send(gateway, app, need_confirm=True)
        settle(gateway)
        clock.jump(LATER)
        yield gateway


@pytest.mark.parametrize("slow", [SlowEngine, HastySlowEngine])
def test_followup_gives_back_what_it_claims_too_late(gateway, clock, online, slow):
    """Nobody works on a claim whose commit was taken for lost: what it took is due again, and comes once."""
    engine = slow(gateway.engine)
    followup = Followup(engine, gateway.offering, clock, gateway.is_cancelled, gateway.fence)
    with pytest.raises(StoreUnavailable):
        followup.run_due()
    engine.commit()
    settle(gateway)
    assert len(online.calls) == 1
    followup.run_due()
    settle(gateway)
    assert len(online.calls) == 2
    followup.run_due()
    assert len(online.calls) == 2


def test_followup_gives_back_nothing_that_was_claimed_again(gateway, clock, online):
    """The claim whose commit was taken for lost is so late that its lease is over: it comes once."""
    late = []
    engine = SlowEngine(gateway.engine)
    engine.keep = late.append
    followup = Followup(engine, gateway.offering, clock, gateway.is_cancelled, gateway.fence)
    with pytest.raises(StoreUnavailable):
        followup.run_due()
    clock.jump(LEASE / 1000)
    engine.commit()
    await_that(lambda: late)
    gateway.followup.run_due()
    gateway.write(*late)
    gateway.followup.run_due()
    settle(gateway)
    assert len(online.calls) == 2
