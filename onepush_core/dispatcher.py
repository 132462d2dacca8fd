"""The dispatcher: takes up accepted messages and runs their first round.

Each app has a lane that works through its messages strictly in the order of acceptance; lanes of
different apps take turns. For each page of devices the deliveries are committed as pending, then the
page is offered to the transports that are asked first, then what is left goes on beside the lane.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import gevent
import structlog

from onepush_core.audiences import Audience, Audiences, Source
from onepush_core.clock import Clock
from onepush_core.errors import DispatchStuck, LeaseLost, OnepushError
from onepush_core.fences import Alone, Fence
from onepush_core.lanes import Lane, Taken, Task
from onepush_core.objects import App, Message
from onepush_core.offering import HANDED_OVER, Offering
from onepush_core.store import deliveries, due, messages
from onepush_core.store.audience import Page
from onepush_core.store.deliveries import Elsewhere
from onepush_core.store.engine import Engine
from onepush_core.store.transaction import Transaction
from onepush_core.store.writer import FIRST

log = structlog.get_logger("onepush.dispatcher")
STUCK = 8.0
PAGES = 10
"""Pages that are read and committed at once: an fsync for each would cost as much as sending it."""
SHARED_PAGES = 2
"""The same where the database is another process, which stores the next pages while these are offered."""
SKEW = 1_000
"""Milliseconds that another host's clock may be ahead."""
CANARY = Message(key=0, id="", app=App(0, "", ""), alert="", accepted_at=0, expires_at=0)


class Dispatcher:
    """The lanes of all apps."""

    def __init__(
        self,
        engine: Engine,
        audiences: Audiences,
        offering: Offering,
        clock: Clock,
        page_size: int,
        is_cancelled: Callable[[Message], bool],
        fence: Callable[[], Fence] = Alone,
        catch_up: Callable[[int, int], None] = lambda _app, _until: None,
    ) -> None:
        self.engine = engine
        self.looks_ahead = engine.shared
        self._pages = SHARED_PAGES if engine.shared else PAGES
        self.fence = fence
        self._catch_up = catch_up
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
        task, fence = Task(CANARY), self.fence()
        with gevent.Timeout(patience, DispatchStuck()):
            [taken] = self.take([task], fence)
            if taken is not None:
                self.offer(task, taken, fence)
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

    def flush(self) -> None:
        """Wait until what was done so far is on record. Raises StoreUnavailable."""
        self.engine.flush()

    def stop(self) -> None:
        """Start nothing new; what is not done stays for the next process."""
        self.stopping = True

    def undispatched(self, app: int, after: int, limit: int) -> list[Task]:
        """Messages of an app whose first round is not done, by key."""
        found = self.engine.read(lambda transaction: messages.undispatched(transaction, app, after, limit))
        return [Task(message, cursor) for message, cursor in found]

    def take(self, tasks: Sequence[Task], fence: Fence) -> list[Taken | None]:
        """Commit the deliveries of the next page of each message as pending. Raises LeaseLost.

        Up to the first message that has more than this page. None: its resolver failed just now. What
        fails while it is read ends the list; as the first of it, it raises.
        """
        audiences = self._fetch(tasks)

        def read(transaction: Transaction) -> list[Page | None]:
            return self._read_pages(transaction, tasks, audiences)

        # The writer has the pages of the file in memory that a reader would have to read again after
        # each commit; only what may take long is read beside it.
        if all(audience is None or audience.quick for audience in audiences):
            return self.engine.write(
                lambda transaction: self._insert(transaction, tasks, audiences, read(transaction), fence),
                place=FIRST,
            )
        pages = self.engine.read(read)
        return self.engine.write(
            lambda transaction: self._insert(transaction, tasks, audiences, pages, fence), place=FIRST
        )

    def _insert(
        self,
        transaction: Transaction,
        tasks: Sequence[Task],
        audiences: Sequence[Audience | None],
        pages: Sequence[Page | None],
        fence: Fence,
    ) -> list[Taken | None]:
        if not fence.check(transaction):
            raise LeaseLost
        elsewhere = Elsewhere(fence.key, self.clock.now() + HANDED_OVER) if self.engine.shared else None
        at = round(time.time() * 1000)  # as devices that come are noted
        return [
            page and _take(transaction, task.message.key, audience, page, elsewhere)._replace(at=at)
            for task, audience, page in zip(tasks, audiences, pages, strict=False)
        ]

    def _fetch(self, tasks: Sequence[Task]) -> list[Audience | None]:
        """The audiences, ready to be read, up to the first that fails; as the first of all, it raises."""
        audiences: list[Audience | None] = []
        for task in tasks:
            audience = self._audience(task)
            try:
                if audience is not None:
                    audience.fetch(task.cursor, self.page_size * self._pages)
            except Exception:
                if not audiences:
                    raise
                break
            audiences.append(audience)
        return audiences

    def _read_pages(
        self, transaction: Transaction, tasks: Sequence[Task], audiences: Sequence[Audience | None]
    ) -> list[Page | None]:
        pages: list[Page | None] = []
        for task, audience in zip(tasks, audiences, strict=False):
            try:
                page = (
                    audience.page(transaction, task.cursor, self.page_size * self._pages)
                    if audience
                    else None
                )
            except Exception:
                if not pages:
                    raise
                break
            pages.append(page)
            if page is not None and page.last is not None:
                break
        return pages

    def _audience(self, task: Task) -> Audience | None:
        message = task.message
        if message.expires_at <= self.clock.now() or self.is_cancelled(message):
            return Audience(message, ())
        return task.audience or self.audiences.of(message)

    def catch_up(self, app: int) -> None:
        """Before a lane is taken over: what its worker before has handed over goes first (waits)."""
        self._catch_up(app, self.clock.now() + HANDED_OVER + SKEW)

    def find_holders(self, pages: Sequence[Taken | None]) -> Mapping[int, int]:
        """Which other worker holds the connection of which device of these pages, which are committed.

        Asked once for all that is taken up in a step. Raises StoreUnavailable.
        """
        return self.offering.find_holders([key for page in pages if page for key in page.keys])

    def offer(self, task: Task, taken: Taken, fence: Fence, holders: Mapping[int, int] | None = None) -> None:
        """Run the first round of one page, or of what is left of it."""
        fresh = taken.page.apart and taken.new
        self.offering.first_round(task.message, taken.keys, taken.page.last, fresh, fence, holders, taken.at)

    # --- where several workers share the lanes -----------------------------------------------

    def begin(self, app: int, fence: Fence) -> None:
        """This app's lane is ours, or there is more in it: go on with what the store has."""
        if app not in self._lanes:
            self._lanes[app] = Lane(self, app, fence)
        self._lanes[app].reload()

    def end(self, app: int) -> None:
        """This app's lane is not ours any more."""
        lane = self._lanes.pop(app, None)
        if lane is not None:
            lane.end()

    def is_idle(self, app: int) -> bool:
        """True when no message of this app is in hand here."""
        lane = self._lanes.get(app)
        return lane is None or not lane.busy

    def _lane(self, app: int) -> Lane:
        if app not in self._lanes:
            self._lanes[app] = Lane(self, app, self.fence())
        return self._lanes[app]


def _take(
    transaction: Transaction,
    message: int,
    audience: Audience | None,
    page: Page,
    elsewhere: Elsewhere | None,
) -> Taken:
    keys, added = deliveries.insert_page(transaction, message, page.keys, elsewhere)
    return Taken(page, keys, added == len(page.keys), audience)
