"""The SQLite engine: one group-committing writer and a few readers, all in native threads.

sqlite3 blocks the thread that calls it. The hub therefore never touches a connection: jobs are handed
to a thread. Synchronous FULL makes a commit an fsync.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import peewee
import structlog
from gevent.threadpool import ThreadPool

from onepush_core.errors import OnepushError, StoreUnavailable
from onepush_core.store.transaction import Transaction
from onepush_core.store.writer import MAX_WAITING, PATIENCE, Job, NoTransaction, Writer

T = TypeVar("T")

log = structlog.get_logger("onepush.store")
ENGINE_ERRORS = (sqlite3.Error, peewee.PeeweeException, OSError)


class SqliteEngine:
    """Runs jobs against one SQLite file: an Engine. For the options see Writer."""

    shared = False

    def __init__(
        self,
        database: peewee.SqliteDatabase,
        max_waiting: int = MAX_WAITING,
        readers: int = 2,
        patience: float = PATIENCE,
    ) -> None:
        self._database = database
        self._thread = ThreadPool(1)
        self._readers = ThreadPool(readers)
        writer = Writer(self._run, self._thread.spawn, _ours, max_waiting, patience)
        self.write, self.submit, self.keep, self.flush = (
            writer.write,
            writer.submit,
            writer.keep,
            writer.flush,
        )
        self.accept = writer.write

    def read(self, job: Callable[[Transaction], T]) -> T:
        """Run a job that only reads; waits. Raises StoreUnavailable."""
        result, error = self._readers.apply(self._run_reading, (job,))
        if error is not None:
            raise error
        found: T = result
        return found

    def close(self) -> None:
        """Commit what waits, end the threads, close their connections."""
        try:
            self.flush()
        finally:
            self._thread.apply(self._database.close)
            self._thread.kill()
            self._readers.kill()

    def _run_reading(self, job: Job) -> tuple[Any, BaseException | None]:
        """In a thread of its own; an error travels as a value, since gevent prints what a thread raises."""
        try:
            return job(Transaction(_connection_of(self._database))), None
        except Exception as error:
            return None, _ours(error)

    def _run(self, jobs: Sequence[Job]) -> list[Any]:
        """Run jobs in one transaction (in the writer's thread)."""
        connection = _connection_of(self._database)
        try:
            _execute(connection, "BEGIN IMMEDIATE")
            transaction = Transaction(connection)
            results = [job(transaction) for job in jobs]
            transaction.finish()
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


def _execute(connection: Any, statement: str) -> None:
    try:
        connection.execute(statement)
    except sqlite3.Error as error:
        raise NoTransaction(error) from error


def _connection_of(database: peewee.SqliteDatabase) -> Any:
    """This thread's connection, opened when needed."""
    return database.connection()  # type: ignore[no-untyped-call]


def _ours(error: BaseException) -> BaseException:
    if isinstance(error, OnepushError) or not isinstance(error, ENGINE_ERRORS):
        return error
    log.error("commit_failed", error=type(error).__name__, detail=str(error))
    unavailable = StoreUnavailable()
    unavailable.__cause__ = error
    return unavailable
