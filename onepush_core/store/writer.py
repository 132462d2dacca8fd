"""The writer: jobs that come in while one commit runs share the next one.

A commit is an fsync, so sharing is what makes it cheap. How a transaction is run is the engine's affair:
a writer is given ``run``, and ``spawn`` to call it beside the hub.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import gevent
import structlog
from gevent.hub import Waiter

from onepush_core.errors import Overloaded, StoreUnavailable
from onepush_core.store.refused import Kept, Refused
from onepush_core.store.transaction import Transaction

T = TypeVar("T")
Job = Callable[[Transaction], Any]
Settle = Callable[[Any, BaseException | None], None]
Run = Callable[[Sequence[Job]], list[Any]]
Ended = tuple[Any, BaseException | None]


class Waiting(NamedTuple):
    """A job that waits for the next commit. ``place``: see ``Engine.submit``."""

    job: Job
    settle: Settle | None
    place: str | None


log = structlog.get_logger("onepush.store")
MAX_WAITING = 20_000
PATIENCE = 30.0
TRIES = 1200
"""A job that is kept is tried for ten minutes at least."""
FIRST, LAST = "", "~"
"""Places before and after those of all messages."""


class NoTransaction(Exception):
    """No transaction could be begun or committed: that is the store's trouble, not a job's."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Writer:
    """One queue of jobs and the commits that they share. Construct and use it on the hub.

    ``run(jobs)``: run all in one transaction and return what each returned, or raise NoTransaction or what
    a job raised, with nothing written. ``spawn``: call it elsewhere (a thread, a greenlet).
    ``ours``: the store's errors as StoreUnavailable. ``max_waiting``: jobs that may wait before ``write``
    refuses (Overloaded). ``patience``: seconds that a commit may take before those who wait are told so.
    """

    def __init__(
        self,
        run: Run,
        spawn: Callable[..., Any],
        ours: Callable[[BaseException], BaseException],
        max_waiting: int = MAX_WAITING,
        patience: float = PATIENCE,
    ) -> None:
        self._run = run
        self._spawn = spawn
        self._ours = ours
        self._max_waiting = max_waiting
        self._waiting: list[Waiting] = []
        self._running = False
        self._scheduled = False
        loop = gevent.get_hub().loop
        self._wake = loop.run_callback
        self._timer = loop.timer(patience, patience)
        self._patient: dict[Any, None] = {}
        self._refused = Refused(self.submit)

    def write(
        self,
        job: Callable[[Transaction], T],
        then: Callable[[T], object] | None = None,
        timeout: float | None = None,
        place: str | None = None,
    ) -> T:
        """Run a job and wait until it is committed; see ``Engine.write``."""
        if len(self._waiting) >= self._max_waiting:
            raise Overloaded()
        waiter: Any = Waiter()
        wake = self._wake

        def settle(result: T, error: BaseException | None) -> None:
            wake(waiter.switch, (result, error))
            if error is None and then is not None:
                then(result)

        self.submit(job, settle, place)
        result, error = self._await(waiter) if timeout is None else _await_for(waiter, timeout)
        if error is not None:
            raise error
        found: T = result
        return found

    def _await(self, waiter: Any) -> Ended:
        """Wait for a job's end; the commit that takes too long ends the wait, without a timer for each."""
        self._patient[waiter] = None
        try:
            outcome: Ended = waiter.get()
        finally:
            del self._patient[waiter]
        return outcome

    def _give_up(self) -> None:
        """A commit hangs: whoever waits for it, or for the next, is told."""
        for waiter in list(self._patient):
            self._wake(waiter.switch, (None, StoreUnavailable()))

    def submit(self, job: Job, settle: Settle | None = None, place: str | None = None) -> None:
        """Run a job in the next commit without waiting; see ``Engine.submit``."""
        self._waiting.append(Waiting(job, settle, place))
        if not self._running and not self._scheduled:
            self._scheduled = True
            gevent.get_hub().loop.run_callback(self._start_batch)

    def keep(self, job: Job, tries: int = TRIES, place: str | None = None) -> None:
        """Run a job in the next commit that succeeds; see ``Engine.keep``."""
        self.submit(job, lambda _, error: self._keep_on(job, tries, place, error), place)

    def _keep_on(self, job: Job, tries: int, place: str | None, error: BaseException | None) -> None:
        if error is not None:
            self._refused.add(Kept(job, place, tries), error)

    def flush(self) -> None:
        """Wait until everything submitted so far is committed; see ``Engine.flush``."""
        # Once more for what had not been refused before: it may have been in the commit under way.
        if not self._flush_refused() and not self._flush_refused():
            raise StoreUnavailable()

    def _flush_refused(self) -> bool:
        """Wait until all that waits was tried; False when some of what is kept was refused."""
        self._refused.try_again()
        waiter: Any = Waiter()

        def settle(_: Any, error: BaseException | None) -> None:
            self._wake(waiter.switch, (len(self._refused), error))

        self.submit(lambda transaction: None, settle, LAST)
        refused, error = self._await(waiter)
        if error is not None:
            raise error
        return not refused

    def _start_batch(self) -> None:
        self._scheduled = False
        if self._running or not self._waiting:
            return
        batch, self._waiting = in_places(self._waiting), []
        self._running = True
        self._timer.again(self._give_up)  # "start" would go on with what is left of the last time
        result = self._spawn(self._commit, [waiting.job for waiting in batch])
        result.rawlink(lambda done: self._settle_batch(batch, done))

    def _settle_batch(self, batch: list[Waiting], done: Any) -> None:
        self._running = False
        self._timer.stop()
        results = done.value if done.successful() else [(None, done.exception)] * len(batch)
        self._start_batch()
        for waiting, (result, error) in zip(batch, results, strict=True):
            self._tell(waiting.settle, result, error)

    def _tell(self, settle: Settle | None, result: Any, error: BaseException | None) -> None:
        """One callback that fails must not keep the others from hearing of their commit."""
        if settle is None:
            return
        try:
            settle(result, error)
        except Exception as failure:
            log.exception("settle_failed", error=type(failure).__name__)

    def _commit(self, jobs: Sequence[Job]) -> list[Ended]:
        """Run all jobs in one transaction; if one fails, each in its own (where ``spawn`` calls it)."""
        try:
            return [(result, None) for result in self._run(jobs)]
        except NoTransaction as error:
            return [(None, self._ours(error.reason))] * len(jobs)
        except Exception as error:
            if len(jobs) == 1:
                return [(None, self._ours(error))]
        return self._commit_one_by_one(jobs)

    def _commit_one_by_one(self, jobs: Sequence[Job]) -> list[Ended]:
        """When the store is in trouble the rest is not tried: each would wait for it again."""
        ended: list[Ended] = []
        for job in jobs:
            try:
                ended.append((self._run([job])[0], None))
            except NoTransaction as error:
                rest = len(jobs) - len(ended)
                return ended + [(None, self._ours(error.reason))] * rest
            except Exception as error:
                ended.append((None, self._ours(error)))
        return ended


def in_places(waiting: Sequence[Waiting]) -> list[Waiting]:
    """Sorted by place from one job without a place to the next; those of one place in their order."""
    ordered: list[Waiting] = []
    start = 0
    for index, one in enumerate(waiting):
        if one.place is None:
            ordered += [*_sorted(waiting[start:index]), one]
            start = index + 1
    return ordered + _sorted(waiting[start:])


def _sorted(waiting: Sequence[Waiting]) -> list[Waiting]:
    return sorted(waiting, key=lambda one: one.place or FIRST)


def _await_for(waiter: Any, seconds: float) -> Ended:
    try:
        with gevent.Timeout(seconds):
            outcome: Ended = waiter.get()
    except gevent.Timeout as error:
        raise StoreUnavailable() from error
    return outcome
