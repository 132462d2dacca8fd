"""Lanes: the messages of one app, one after the other, in the order of acceptance."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

import gevent
import structlog

from onepush_core.audiences import Audience
from onepush_core.clock import Clock
from onepush_core.errors import OnepushError
from onepush_core.fences import Fence
from onepush_core.objects import Message
from onepush_core.store.audience import Page

log = structlog.get_logger("onepush.dispatcher")
TOGETHER = 64
"""Messages that are taken up in one step."""
REMEMBERED = 4096
"""Messages that a lane keeps in memory; what is more is read from the store when its turn comes."""
PATIENCE = 1.0
FAILURES = 3
POSTPONED = 5.0


class Task(NamedTuple):
    """A message to be dispatched, from this device key on. ``audience``: where it is known already."""

    message: Message
    cursor: int = 0
    audience: Audience | None = None


class Taken(NamedTuple):
    """A page of a message's audience, and the devices of it that are to be offered.

    ``new``: it was stored just now; otherwise somebody may have begun with it before. ``audience``: to go
    on with, as one of ids cannot be asked for its second page alone. ``at``: when it was stored, by real time
    in milliseconds since the epoch.
    """

    page: Page
    keys: list[int]
    new: bool
    audience: Audience | None = None
    at: int = 0


class Ahead(NamedTuple):
    """A page that is being stored before its turn; ``result``: None when that went wrong."""

    message: int
    cursor: int
    result: gevent.Greenlet[..., list[Taken | None] | None]


class Work(Protocol):
    """What lanes need of the dispatcher. ``looks_ahead``: whether the store works while pages are offered."""

    clock: Clock
    stopping: bool
    looks_ahead: bool

    def catch_up(self, app: int) -> None:
        """Deliver what was handed to this worker before it got the lane (waits)."""

    def flush(self) -> None:
        """Wait until what was done so far is on record. Raises StoreUnavailable."""

    def undispatched(self, app: int, after: int, limit: int) -> list[Task]:
        """Messages of an app whose first round is not done, by key."""

    def take(self, tasks: Sequence[Task], fence: Fence) -> list[Taken | None]:
        """The next page of each message, up to the first that has more. Raises LeaseLost."""

    def find_holders(self, pages: Sequence[Taken | None]) -> Mapping[int, int]:
        """Which other worker holds the connection of which device. Raises StoreUnavailable."""

    def offer(self, task: Task, taken: Taken, fence: Fence, holders: Mapping[int, int] | None = None) -> None:
        """Run the first round of one page. ``holders``: as found; None: to be found out."""

    def store_is_well(self) -> bool:
        """True when the store answers."""


class Lane:
    """The messages of one app, one after the other, as long as ``fence`` allows."""

    def __init__(self, dispatcher: Work, app: int, fence: Fence) -> None:
        self._dispatcher = dispatcher
        self._app = app
        self._fence = fence
        self._ended = False
        self._caught_up = False
        self._postponed = 0
        self._ahead: Ahead | None = None
        self._waiting: deque[Task] = deque()
        self._lagging = False
        self._last = 0
        self._running = False
        self._failures = 0
        self._unsettled = False
        self._step_began: float | None = None

    @property
    def busy(self) -> bool:
        """True while messages of this app wait or are worked on."""
        return self._running or self._postponed > 0

    def stuck_for(self, now: float) -> float:
        """Seconds since the step in hand began; 0 when idle."""
        return now - self._step_began if self._step_began is not None else 0.0

    def put(self, task: Task) -> None:
        """Queue a message; beyond some thousands only the store remembers them."""
        if self._lagging or len(self._waiting) >= REMEMBERED:
            self._lagging = True
        else:
            self._waiting.append(task)
            self._last = task.message.key
        self._run()

    def reload(self) -> None:
        """Read the waiting messages from the store."""
        self._lagging = True
        self._run()

    def end(self) -> None:
        """Start nothing new: another worker goes on with this app."""
        self._ended = True

    def _run(self) -> None:
        if not self._running and not self._ended:
            self._running = True
            gevent.spawn(self._work)

    def _work(self) -> None:
        try:
            while not self._is_over() and (self._waiting or self._lagging):
                self._try(self._next_step())
        finally:
            self._running = False

    def _next_step(self) -> Callable[[], None]:
        if not self._caught_up:
            return self._catch_up
        if self._unsettled:
            return self._settle
        return self._step if self._waiting else self._refill

    def _catch_up(self) -> None:
        self._dispatcher.catch_up(self._app)
        self._caught_up = True

    def _settle(self) -> None:
        """What the step that failed has brought is on record before it is tried again."""
        self._dispatcher.flush()
        self._unsettled = False

    def _is_over(self) -> bool:
        return self._dispatcher.stopping or self._ended or not self._fence.is_valid()

    def _try(self, step: Callable[[], None]) -> None:
        """A failure of the store costs a pause; nothing is taken off before it is done.

        A message that fails again and again while the store is well must not hold up the others.
        """
        self._step_began = self._dispatcher.clock.monotonic()
        try:
            step()
        except Exception as error:
            expected = isinstance(error, OnepushError)
            log.error("dispatch_failed", app=self._app, error=type(error).__name__, exc_info=not expected)
            if step == self._step:
                self._note_failure()
            gevent.sleep(PATIENCE)
        else:
            self._failures = self._failures if step == self._settle else 0
        finally:
            self._step_began = None

    def _note_failure(self) -> None:
        self._unsettled = True
        self._failures += 1
        if self._failures >= FAILURES and self._waiting and self._dispatcher.store_is_well():
            self._postpone(self._waiting.popleft())

    def _postpone(self, task: Task) -> None:
        """Take a message out of the order, and try it again later."""
        self._failures = 0
        self._postponed += 1
        gevent.spawn(self._put_back, task._replace(audience=None))

    def _refill(self) -> None:
        """Read on from the store; what was put while reading comes after what was read."""
        self._lagging = False
        after = self._last
        try:
            tasks = self._dispatcher.undispatched(self._app, after, REMEMBERED)
        except Exception:
            self._lagging = True
            raise
        last = tasks[-1].message.key if tasks else after
        postponed = [task for task in self._waiting if task.message.key <= after]
        later = [task for task in self._waiting if task.message.key > last]
        self._lagging = self._lagging or len(tasks) == REMEMBERED
        read = tasks if self._lagging else [*tasks, *later]
        self._last = read[-1].message.key if read else after
        self._waiting = deque([*read, *postponed])

    def _step(self) -> None:
        """Do some messages together; one with more than a page ends the step, and is gone on with."""
        tasks = list(islice(self._waiting, TOGETHER))
        pages = self._take(tasks)
        holders = self._dispatcher.find_holders(pages)
        for task, taken in zip(tasks, pages, strict=False):
            if taken is None:
                self._postpone(self._waiting.popleft())
                continue
            more = _rest_of(task, taken)
            if more is not None and self._dispatcher.looks_ahead:
                self._look_ahead(more)
            self._dispatcher.offer(task, taken, self._fence, holders)
            self._waiting.popleft()
            if more is not None:
                self._waiting.appendleft(more)

    def _look_ahead(self, task: Task) -> None:
        """Have the next page of a long audience stored while this one is offered."""
        self._ahead = Ahead(task.message.key, task.cursor, gevent.spawn(self._try_to_take, task))

    def _try_to_take(self, task: Task) -> list[Taken | None] | None:
        try:
            return self._dispatcher.take([task], self._fence)
        except Exception:
            return None  # it is taken again, and fails where that is noticed

    def _take(self, tasks: Sequence[Task]) -> list[Taken | None]:
        ahead, self._ahead = self._ahead, None
        if ahead is not None and (ahead.message, ahead.cursor) == (tasks[0].message.key, tasks[0].cursor):
            taken = ahead.result.get()
            if taken is not None:
                return taken
        return self._dispatcher.take(tasks, self._fence)

    def _put_back(self, task: Task) -> None:
        self._dispatcher.clock.sleep(POSTPONED)
        self._postponed -= 1
        self._waiting.append(task)
        self._run()


def _rest_of(task: Task, taken: Taken) -> Task | None:
    """What is left to do of a message after this page."""
    if taken.page.last is None:
        return None
    return task._replace(cursor=taken.page.last, audience=taken.audience)
