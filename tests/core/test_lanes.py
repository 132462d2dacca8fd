"""A lane: its messages one after the other, and what it does when a step fails."""

from __future__ import annotations

import gevent
import msgspec

from onepush_core.errors import StoreUnavailable
from onepush_core.fences import Alone
from onepush_core.lanes import FAILURES, Lane, Taken, Task
from onepush_core.objects import App, Message
from onepush_core.store.audience import Page
from onepush_core.testing import ManualClock, await_that

MESSAGE = Message(key=1, id="m1", app=App(1, "app", "test"), alert="hello", accepted_at=0, expires_at=1 << 60)


class Dispatcher:
    """Takes and offers pages, and fails in the middle of the first; ``done``: what it was asked to do."""

    clock = ManualClock()
    stopping = False
    looks_ahead = False
    unflushed = 0

    def __init__(self):
        self.done = []
        self.offered = []

    def catch_up(self, _app):
        pass

    def flush(self):
        self.done.append("flush")
        if self.done.count("flush") <= self.unflushed:
            raise StoreUnavailable

    def undispatched(self, _app, _after, _limit):
        return []

    def take(self, tasks, _fence):
        self.done.append("take")
        return [Taken(Page([10], None), [10], True) for _ in tasks]

    def find_holders(self, _pages):
        return {}

    def offer(self, task, _taken, _fence, _holders=None):
        self.done.append("offer")
        if self.done.count("offer") == 1:
            raise StoreUnavailable
        self.offered.append(task.message.key)

    def store_is_well(self):
        return True


def test_lane_tries_a_step_again_when_all_of_it_is_on_record():
    """What the step has brought before it failed is not to be brought again."""
    dispatcher = Dispatcher()
    Lane(dispatcher, 1, Alone()).put(Task(MESSAGE))
    await_that(lambda: dispatcher.done.count("offer") == 2)
    gevent.sleep(0)
    assert dispatcher.done == ["take", "offer", "flush", "take", "offer"]


def test_lane_does_not_blame_a_message_for_a_store_that_records_nothing():
    """However long that takes: it is the first to be offered afterwards."""
    dispatcher = Dispatcher()
    dispatcher.unflushed = FAILURES
    lane = Lane(dispatcher, 1, Alone())
    for key in (1, 2):
        lane.put(Task(msgspec.structs.replace(MESSAGE, key=key)))
    await_that(lambda: len(dispatcher.offered) == 2)
    assert dispatcher.offered == [1, 2]
