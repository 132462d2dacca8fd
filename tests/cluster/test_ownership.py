"""Lanes of a worker: taken when a message is accepted, kept while something is to do, and a while longer."""

from __future__ import annotations

import gevent
import pytest

from onepush_core.cluster.ownership import IDLE, Ownership
from onepush_core.cluster.session import Lease
from onepush_core.store.workers import Owner

OURS, APP = 2, 7


class Session:
    lease = Lease(OURS, float("inf"))


class Store:
    """Gives every lane to whoever asks; counts what is written."""

    def __init__(self):
        self.written = 0

    def read(self, _job):
        return []

    def submit(self, _job, settle=None):
        self.written += 1
        if settle is not None:
            settle({APP: Owner(OURS, 1)}, None)


class Lanes:
    """Idle but for what is ``busy``."""

    def __init__(self):
        self.busy = set()
        self.ended = []

    def begin(self, app, _fence):
        pass

    def end(self, app):
        self.ended.append(app)

    def is_idle(self, app):
        return app not in self.busy


class Bench:
    """A worker that has the lane of an app."""

    def __init__(self):
        self.now, self.lanes, self.store = 0.0, Lanes(), Store()
        self.ownership = Ownership(
            self.store, Session(), self.lanes, lambda _worker, _apps: None, lambda: self.now
        )
        self.ownership.take_up(APP)
        gevent.sleep(0.01)
        assert self.ownership.has(APP)

    def look_at(self, *times):
        for self.now in times:
            self.ownership.look()


@pytest.fixture
def bench():
    return Bench()


def test_idle_lane_is_kept_for_a_while(bench):
    """The next message may come soon, and a lane that changes hands is dear."""
    bench.look_at(1.0, IDLE / 2, IDLE)
    assert bench.ownership.has(APP)
    bench.look_at(IDLE + 1.0)
    assert not bench.ownership.has(APP)
    assert bench.lanes.ended == [APP]


@pytest.mark.parametrize("seen", [True, False], ids=["seen at work", "done between two looks"])
def test_lane_with_messages_now_and_then_is_kept(bench, seen):
    """Idle is a lane that nothing was put into for all the time."""
    bench.look_at(1.0, IDLE - 1.0)
    bench.ownership.take_up(APP)
    if seen:
        bench.lanes.busy.add(APP)
    bench.look_at(IDLE)
    bench.lanes.busy.clear()
    bench.look_at(IDLE + 1.0, 2 * IDLE - 1.0)
    assert bench.ownership.has(APP)
    bench.look_at(2 * IDLE + 1.0)
    assert not bench.ownership.has(APP)


def test_lane_that_comes_back_begins_anew(bench):
    """It was released, and is taken again before the next look."""
    bench.look_at(1.0, IDLE + 1.0)
    bench.ownership.take_up(APP)
    gevent.sleep(0.01)
    bench.look_at(IDLE + 2.0, IDLE + 3.0)
    assert bench.ownership.has(APP)
