"""Ownership: which worker dispatches the messages of which app. One at a time, so that their order holds."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

import gevent
import structlog

from onepush_core.cluster.session import Lease, Session
from onepush_core.errors import OnepushError
from onepush_core.store import workers
from onepush_core.store.engine import Engine
from onepush_core.store.transaction import Transaction
from onepush_core.store.workers import Owner
from onepush_core.store.writer import Settle

log = structlog.get_logger("onepush.cluster")
LOOK = 1.0
"""Seconds between two looks for messages that nobody was told of."""
IDLE = 10.0
"""Seconds after which an idle lane is anybody's. One that changes hands costs more than a word to its worker:
all devices of its next pages are looked up in the ledger.
"""
STOPPING_LOOK = 0.05
"""The same while this worker stops, and waits for its lanes to come to rest."""


class Lanes(Protocol):
    """What dispatches."""

    def begin(self, app: int, fence: Lease) -> None:
        """This app's lane is ours, or there is more in it."""

    def end(self, app: int) -> None:
        """This app's lane is not ours any more."""

    def is_idle(self, app: int) -> bool:
        """True when no message of this app is in hand here."""


class Ownership:
    """Lanes as far as this worker knows. ``wake(worker, apps)``: tell the one that has the lanes."""

    def __init__(
        self,
        engine: Engine,
        session: Session,
        lanes: Lanes,
        wake: Callable[[int, list[int]], object],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._session = session
        self._lanes = lanes
        self._wake = wake
        self._monotonic = monotonic
        self._stopping = False
        self._mine: dict[int, Lease] = {}
        self._terms: dict[int, int] = {}
        self._others: dict[int, int] = {}
        self._idle: dict[int, float] = {}
        self._unknown: set[int] = set()
        self._to_wake: dict[int, set[int]] = defaultdict(set)

    def take_up(self, app: int) -> None:
        """A message for this app was stored. Does not wait."""
        lease = self._mine.get(app)
        if lease is not None:
            self._idle.pop(app, None)
            self._lanes.begin(app, lease)
        elif app in self._others:
            self._wake_soon(self._others[app], app)
        else:
            self._ask(app)

    def woken(self, apps: Iterable[int]) -> None:
        """Another worker says that there is something to be dispatched here."""
        for app in apps:
            self._others.pop(app, None)
            self.take_up(app)

    def has(self, app: int) -> bool:
        """Whether this worker dispatches the messages of this app."""
        return app in self._mine

    def term(self, app: int) -> int:
        """How often this app's lane had changed hands when this worker took it."""
        return self._terms.get(app, 0)

    def bury(self, dead: set[int]) -> None:
        """Workers are gone: their lanes are anybody's."""
        self._others = {app: worker for app, worker in self._others.items() if worker not in dead}

    def abandon(self) -> None:
        """This worker was given up: its lanes are anybody's."""
        for app in self._mine:
            self._lanes.end(app)
        self._mine.clear()
        self._idle.clear()
        self._terms.clear()
        self._others.clear()

    def stop(self) -> None:
        """Take no lane any more, and give those away in which nothing is in hand, now and later."""
        self._stopping = True
        self._give_away()

    def run(self) -> None:
        """Look for what nobody was told of, and let go of idle lanes, for ever."""
        while True:
            try:
                self._give_away() if self._stopping else self.look()
            except Exception as error:
                expected = isinstance(error, OnepushError)
                log.error("lanes_not_looked_after", error=type(error).__name__, exc_info=not expected)
            gevent.sleep(STOPPING_LOOK if self._stopping else LOOK)

    def look(self) -> None:
        """Take up what nobody was told of, and let go of lanes that are idle. Raises StoreUnavailable."""
        key = self._session.lease.key
        waiting = self._engine.read(lambda transaction: workers.apps_to_wake(transaction, key))
        self.woken(waiting)
        now = self._monotonic()
        idle = [app for app in self._mine if app not in waiting and self._lanes.is_idle(app)]
        self._idle = {app: self._idle.get(app, now) for app in idle}
        for app in [app for app, since in self._idle.items() if now - since >= IDLE]:
            self._release(app)

    def _release(self, app: int, settle: Settle | None = None) -> None:
        """An idle lane goes to the worker that accepts the next message.

        Tried once: a second try might come when the lane is ours again.
        """
        lease = self._mine.pop(app)
        self._idle.pop(app, None)
        self._terms.pop(app, None)
        self._lanes.end(app)
        self._engine.submit(lambda transaction: workers.release_lane(transaction, app, lease.key), settle)

    def _give_away(self) -> None:
        """Lanes at rest go to another worker at once: there may be more in them."""
        heir = max(self._session.living - {self._session.lease.key}, default=None)
        for app in [app for app in self._mine if self._lanes.is_idle(app)]:
            self._release(app, None if heir is None else partial(self._tell_heir, heir, app))

    def _tell_heir(self, heir: int, app: int, _: None, error: BaseException | None) -> None:
        if error is None:
            self._wake_soon(heir, app)

    def _wake_soon(self, worker: int, app: int) -> None:
        """One word for all that is accepted in a turn."""
        if not self._to_wake:
            gevent.get_hub().loop.run_callback(self._wake_all)
        self._to_wake[worker].add(app)

    def _wake_all(self) -> None:
        to_wake, self._to_wake = self._to_wake, defaultdict(set)
        for worker, apps in to_wake.items():
            self._wake(worker, sorted(apps))

    def _ask(self, app: int) -> None:
        """Take this lane, or learn who has it: one job for all that is asked in a turn."""
        if self._stopping:
            return  # the others look for it
        if not self._unknown:
            gevent.get_hub().loop.run_callback(self._claim)
        self._unknown.add(app)

    def _claim(self) -> None:
        apps, self._unknown = sorted(self._unknown), set()
        lease = self._session.lease

        def job(transaction: Transaction) -> dict[int, Owner]:
            return workers.claim_lanes(transaction, apps, lease.key) if lease.check(transaction) else {}

        def settle(owners: dict[int, Owner] | None, error: BaseException | None) -> None:
            if error is None and owners is not None and not lease.lost:
                self._learn(owners, lease)

        self._engine.submit(job, settle)

    def _learn(self, owners: dict[int, Owner], lease: Lease) -> None:
        for app, (worker, term) in owners.items():
            if worker == lease.key:
                self._others.pop(app, None)
                self._mine[app] = lease
                self._terms[app] = term
                self._lanes.begin(app, lease)
            else:
                self._others[app] = worker
                self._wake_soon(worker, app)
