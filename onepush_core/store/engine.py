"""The SQLite engine: one group-committing writer and a few readers, all in native threads.

sqlite3 blocks the thread that calls it. The hub therefore never touches a connection: jobs
(functions of a Transaction) are handed to a thread, and all jobs that come in while one commit
runs share the next one. Synchronous FULL makes a commit an fsync, so sharing is what makes it cheap.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

import gevent
import peewee
import structlog
from gevent.hub import Waiter
from gevent.threadpool import ThreadPool

from onepush_core.errors import OnepushError, Overloaded, StoreUnavailable
from onepush_core.store.transaction import Transaction

T = TypeVar("T")
Job = Callable[[Transaction], Any]
Settle = Callable[[Any, BaseException | None], None]

log = structlog.get_logger("onepush.store")
PATIENCE = 30.0
AGAIN = 0.5
TRIES = 1200
"""A job that is kept is tried for ten minutes at least."""
ENGINE_ERRORS = (sqlite3.Error, peewee.PeeweeException, OSError)


class SqliteEngine:
    """Runs jobs against one SQLite file. Construct and use it on the hub.

    ``max_waiting``: jobs that may wait for the writer before ``write`` refuses (Overloaded).
    ``patience``: seconds that a commit may take before those who wait for it are told so.
    """

    def __init__(
        self,
        database: peewee.SqliteDatabase,
        max_waiting: int = 20_000,
        readers: int = 2,
        patience: float = PATIENCE,
    ) -> None:
        self._database = database
        self._max_waiting = max_waiting
        self._waiting: list[tuple[Job, Settle | None]] = []
        self._running = False
        self._scheduled = False
        self._writer = ThreadPool(1)
        self._readers = ThreadPool(readers)
        loop = gevent.get_hub().loop
        self._wake = loop.run_callback
        self._timer = loop.timer(patience, patience)
        self._patient: dict[Any, None] = {}

    def read(self, job: Callable[[Transaction], T]) -> T:
        """Run a job that only reads; waits. Raises StoreUnavailable."""
        result, error = self._readers.apply(self._run_reading, (job,))
        if error is not None:
            raise error
        found: T = result
        return found

    def write(
        self,
        job: Callable[[Transaction], T],
        then: Callable[[T], object] | None = None,
        timeout: float | None = None,
    ) -> T:
        """Run a job and wait until it is committed; ``then`` is called on the hub, in commit order.

        ``timeout``: seconds, None: the engine's own patience. Raises StoreUnavailable, Overloaded. After
        a timeout the job may still be committed.
        """
        if len(self._waiting) >= self._max_waiting:
            raise Overloaded()
        waiter: Any = Waiter()
        wake = self._wake

        def settle(result: T, error: BaseException | None) -> None:
            wake(waiter.switch, (result, error))
            if error is None and then is not None:
                then(result)

        self.submit(job, settle)
        result, error = self._await(waiter) if timeout is None else _await_for(waiter, timeout)
        if error is not None:
            raise error
        found: T = result
        return found

    def _await(self, waiter: Any) -> tuple[Any, BaseException | None]:
        """Wait for a job's end; the commit that takes too long ends the wait, without a timer for each."""
        self._patient[waiter] = None
        try:
            outcome: tuple[Any, BaseException | None] = waiter.get()
        finally:
            del self._patient[waiter]
        return outcome

    def _give_up(self) -> None:
        """A commit hangs: whoever waits for it, or for the next, is told."""
        for waiter in list(self._patient):
            self._wake(waiter.switch, (None, StoreUnavailable()))

    def submit(self, job: Job, settle: Settle | None = None) -> None:
        """Run a job in the next commit without waiting; ``settle(result, error)`` is called on the hub.

        Jobs run, and settle, in the order of submission.
        """
        self._waiting.append((job, settle))
        if not self._running and not self._scheduled:
            self._scheduled = True
            gevent.get_hub().loop.run_callback(self._start_batch)

    def flush(self) -> None:
        """Wait until everything submitted so far is committed."""
        self.write(lambda transaction: None)

    def close(self) -> None:
        """Commit what waits, end the threads, close their connections."""
        self.flush()
        self._writer.apply(self._database.close)
        self._writer.kill()
        self._readers.kill()

    def _start_batch(self) -> None:
        self._scheduled = False
        if self._running or not self._waiting:
            return
        batch, self._waiting = self._waiting, []
        self._running = True
        self._timer.again(self._give_up)  # "start" would go on with what is left of the last time
        result = self._writer.spawn(self._commit, [job for job, _ in batch])
        result.rawlink(lambda done: self._settle_batch(batch, done))

    def _settle_batch(self, batch: list[tuple[Job, Settle | None]], done: Any) -> None:
        self._running = False
        self._timer.stop()
        results = done.value if done.successful() else [(None, done.exception)] * len(batch)
        self._start_batch()
        for (_, settle), (result, error) in zip(batch, results, strict=True):
            self._tell(settle, result, error)

    def keep(self, job: Job, tries: int = TRIES) -> None:
        """Run a job in the next commit that succeeds: one that the store refuses is tried again."""
        self.submit(job, lambda _, error: self._keep_on(job, tries, error))

    def _keep_on(self, job: Job, tries: int, error: BaseException | None) -> None:
        if error is None:
            return
        if tries > 1 and isinstance(error, StoreUnavailable):
            gevent.spawn_later(AGAIN, self.keep, job, tries - 1)
        else:
            log.error("write_failed", error=type(error).__name__)

    def _tell(self, settle: Settle | None, result: Any, error: BaseException | None) -> None:
        """One callback that fails must not keep the others from hearing of their commit."""
        if settle is None:
            return
        try:
            settle(result, error)
        except Exception as failure:
            log.exception("settle_failed", error=type(failure).__name__)

    def _run_reading(self, job: Job) -> tuple[Any, Exception | None]:
        """In a thread of its own; an error travels as a value, since gevent prints what a thread raises."""
        try:
            return job(Transaction(_connection_of(self._database))), None
        except Exception as error:
            return None, _ours(error)

    def _commit(self, jobs: list[Job]) -> list[tuple[Any, BaseException | None]]:
        """Run all jobs in one transaction; if one fails, each in its own (in the writer's thread)."""
        try:
            return [(result, None) for result in self._run(jobs)]
        except NoTransaction as error:
            return [(None, _ours(error.reason))] * len(jobs)
        except Exception as error:
            if len(jobs) == 1:
                return [(None, _ours(error))]
        return [self._commit([job])[0] for job in jobs]

    def _run(self, jobs: list[Job]) -> list[Any]:
        connection = _connection_of(self._database)
        try:
            _execute(connection, "BEGIN IMMEDIATE")
            transaction = Transaction(connection)
            results = [job(transaction) for job in jobs]
            _execute(connection, "COMMIT")
        except BaseException as error:
            self._abandon(connection, error)
            raise
        return results

    def _abandon(self, connection: Any, error: BaseException) -> None:
        """Roll back; after an error of the engine itself the connection is not trusted any more."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except ENGINE_ERRORS:
            self._database.close()
            return
        if isinstance(error, NoTransaction | sqlite3.OperationalError):
            self._database.close()


def _await_for(waiter: Any, seconds: float) -> tuple[Any, BaseException | None]:
    try:
        with gevent.Timeout(seconds):
            outcome: tuple[Any, BaseException | None] = waiter.get()
    except gevent.Timeout as error:
        raise StoreUnavailable() from error
    return outcome


class NoTransaction(Exception):
    """No transaction could be begun or committed: that is the store's trouble, not a job's."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _execute(connection: Any, statement: str) -> None:
    try:
        connection.execute(statement)
    except sqlite3.Error as error:
        raise NoTransaction(error) from error


def _connection_of(database: peewee.SqliteDatabase) -> Any:
    """This thread's connection, opened when needed."""
    return database.connection()  # type: ignore[no-untyped-call]


def _ours(error: Exception) -> Exception:
    if isinstance(error, OnepushError) or not isinstance(error, ENGINE_ERRORS):
        return error
    log.error("commit_failed", error=type(error).__name__, detail=str(error))
    unavailable = StoreUnavailable()
    unavailable.__cause__ = error
    return unavailable
