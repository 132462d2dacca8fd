"""The dispatcher: takes up accepted messages and runs their first round.

Each app has a lane that works through its messages strictly in the order of acceptance; lanes of
different apps take turns. For each page of devices the deliveries are committed as pending, then the
page is offered to the transports that are asked first, then what is left goes on beside the lane.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

import gevent
import structlog

from onepush_core.audiences import Audience, Audiences, Source
from onepush_core.clock import Clock
from onepush_core.errors import DispatchStuck, OnepushError
from onepush_core.objects import App, Message
from onepush_core.offering import Offering
from onepush_core.store import deliveries, due, messages
from onepush_core.store.audience import Page
from onepush_core.store.engine import SqliteEngine
from onepush_core.store.transaction import Transaction

log = structlog.get_logger("onepush.dispatcher")
TOGETHER = 64
REMEMBERED = 4096
PATIENCE = 1.0
FAILURES = 3
POSTPONED = 5.0
STUCK = 8.0
PAGES = 4
"""Pages that are read and committed at once: an fsync for each would cost as much as sending it."""
CANARY = Message(key=0, id="", app=App(0, "", ""), alert="", accepted_at=0, expires_at=0)


class Dispatcher:
    """The lanes of all apps."""

    def __init__(
        self,
        engine: SqliteEngine,
        audiences: Audiences,
        offering: Offering,
        clock: Clock,
        page_size: int,
        is_cancelled: Callable[[Message], bool],
    ) -> None:
        self.engine = engine
        self.audiences = audiences
        self.offering = offering
        self.clock = clock
        self.page_size = page_size
        self.is_cancelled = is_cancelled
        self._lanes: dict[int, Lane] = {}
        self.stopping = False

    def recover(self) -> None:
        """Take up what an earlier process accepted and did not finish, or had in hand."""
        now = self.clock.now()
        self.engine.write(lambda transaction: due.end_leases(transaction, now))
        for app in self.engine.read(messages.apps_with_work):
            self._lane(app).reload()

    def accept(self, message: Message, source: Source) -> None:
        """A message was stored, for whom ``source`` says; called in the order of the commits."""
        self._lane(message.app.key).put(Task(message, 0, Audience(message, source)))

    def idle(self) -> bool:
        """True when no lane has work in hand."""
        return not any(lane.busy for lane in self._lanes.values())

    def probe(self, patience: float) -> None:
        """Send a message for nobody through everything a message goes through. Raises DispatchStuck."""
        task = Task(CANARY)
        with gevent.Timeout(patience, DispatchStuck()):
            pages = self.read_pages([task])
            offered = self.insert_pages([task], pages)
            if pages[0] is not None:
                self.offer(task, pages[0], offered[0])
            self.engine.flush()
        if any(lane.stuck_for(self.clock.monotonic()) > STUCK for lane in self._lanes.values()):
            raise DispatchStuck()

    def store_is_well(self) -> bool:
        """True when the store answers."""
        try:
            self.engine.read(lambda transaction: transaction.row("SELECT 1"))
        except OnepushError:
            return False
        return True

    def stop(self) -> None:
        """Start nothing new; what is not done stays for the next process."""
        self.stopping = True

    def read_pages(self, tasks: Sequence[Task]) -> list[Page | None]:
        """The next page of each message's audience, up to the first that is not the last of its message.

        None: its resolver failed just now. What fails while it is read ends the list; as the first of
        it, it raises.
        """
        live = [self._audience(task) for task in tasks]

        def job(transaction: Transaction) -> list[Page | None]:
            pages: list[Page | None] = []
            for task, audience in zip(tasks, live, strict=True):
                try:
                    page = (
                        audience.page(transaction, task.cursor, self.page_size * PAGES) if audience else None
                    )
                except Exception:
                    if not pages:
                        raise
                    break
                pages.append(page)
                if page is not None and page.last is not None:
                    break
            return pages

        return self.engine.read(job)

    def _audience(self, task: Task) -> Audience | None:
        message = task.message
        if message.expires_at <= self.clock.now() or self.is_cancelled(message):
            return Audience(message, ())
        return task.audience or self.audiences.of(message)

    def insert_pages(self, tasks: Sequence[Task], pages: Sequence[Page | None]) -> list[list[int]]:
        """Commit the deliveries of each page as pending; the devices that are to be offered."""
        work = [
            (task.message.key, page.keys if page else []) for task, page in zip(tasks, pages, strict=False)
        ]
        if not any(keys for _, keys in work):
            return [[] for _ in work]
        return self.engine.write(
            lambda transaction: [deliveries.insert_page(transaction, key, keys) for key, keys in work]
        )

    def offer(self, task: Task, page: Page, keys: Sequence[int]) -> None:
        """Run the first round of one page, or of what is left of it."""
        self.offering.first_round(task.message, keys, page.last, fresh=len(keys) == len(page.keys))

    def _lane(self, app: int) -> Lane:
        if app not in self._lanes:
            self._lanes[app] = Lane(self, app)
        return self._lanes[app]


class Task(NamedTuple):
    """A message to be dispatched, from this device key on. ``audience``: where it is known already."""

    message: Message
    cursor: int = 0
    audience: Audience | None = None


class Lane:
    """The messages of one app, one after the other."""

    def __init__(self, dispatcher: Dispatcher, app: int) -> None:
        self._dispatcher = dispatcher
        self._app = app
        self._waiting: deque[Task] = deque()
        self._lagging = False
        self._last = 0
        self._running = False
        self._failures = 0
        self._step_began: float | None = None

    @property
    def busy(self) -> bool:
        """True while messages of this app wait or are worked on."""
        return self._running

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

    def _run(self) -> None:
        if not self._running:
            self._running = True
            gevent.spawn(self._work)

    def _work(self) -> None:
        try:
            while not self._dispatcher.stopping and (self._waiting or self._lagging):
                self._try(self._refill if not self._waiting else self._step)
        finally:
            self._running = False

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
            self._failures += 1
            if self._failures >= FAILURES and self._waiting and self._dispatcher.store_is_well():
                self._postpone(self._waiting.popleft())
            gevent.sleep(PATIENCE)
        else:
            self._failures = 0
        finally:
            self._step_began = None

    def _postpone(self, task: Task) -> None:
        """Take a message out of the order, and try it again later."""
        self._failures = 0
        gevent.spawn_later(POSTPONED, self._put_back, task._replace(audience=None))

    def _refill(self) -> None:
        """Read on from the store; what was put while reading comes after what was read."""
        self._lagging = False
        try:
            found = self._dispatcher.engine.read(
                lambda transaction: messages.undispatched(transaction, self._app, self._last, REMEMBERED)
            )
        except OnepushError:
            self._lagging = True
            raise
        tasks = [Task(message, cursor) for message, cursor in found]
        last = tasks[-1].message.key if tasks else 0
        later = [task for task in self._waiting if task.message.key > last]
        self._lagging = self._lagging or len(tasks) == REMEMBERED
        self._waiting = deque(tasks if self._lagging else [*tasks, *later])
        self._last = self._waiting[-1].message.key if self._waiting else self._last

    def _step(self) -> None:
        """Do some messages together; one with more than a page ends the step, and is gone on with."""
        tasks = list(islice(self._waiting, TOGETHER))
        pages = self._dispatcher.read_pages(tasks)
        offered = self._dispatcher.insert_pages(tasks, pages)
        for task, page, keys in zip(tasks, pages, offered, strict=False):
            if page is None:
                self._postpone(self._waiting.popleft())
                continue
            self._dispatcher.offer(task, page, keys)
            self._waiting.popleft()
            if page.last is not None:
                self._waiting.appendleft(task._replace(cursor=page.last))

    def _put_back(self, task: Task) -> None:
        self._waiting.append(task)
        self._run()
