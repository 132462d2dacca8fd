"""The PostgreSQL engine: two group-committing writers and some readers, each with a connection of its own.

One writer takes the jobs that insert messages. Its transactions take turns over all processes, so that
messages become visible in the order of their keys: a reader that has seen a key never misses a lower one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import gevent
import psycopg
import structlog
from gevent.lock import BoundedSemaphore

from onepush_core.errors import OnepushError, StoreUnavailable
from onepush_core.store.postgres_connection import (
    TROUBLES,
    Connection,
    connect,
    connection_parameters,
    is_lost,
    is_usable,
    reason_of,
)
from onepush_core.store.postgres_session import Session
from onepush_core.store.postgres_transaction import PostgresTransaction
from onepush_core.store.transaction import Transaction
from onepush_core.store.writer import MAX_WAITING, Writer

T = TypeVar("T")

log = structlog.get_logger("onepush.store")
PATIENCE = 10.0
POOL = 4
ACCEPTING = "SELECT pg_advisory_xact_lock(1700, hashtext(current_schema()));"
QUIET = 5.0
"""Seconds in which the same trouble of the server is logged once."""


class Readers:
    """A few connections for jobs that read, opened when they are needed."""

    def __init__(self, parameters: dict[str, Any], size: int) -> None:
        self._parameters = parameters
        self._places = BoundedSemaphore(size)
        self._idle: list[Connection] = []
        self._closed = False

    @property
    def all_new(self) -> bool:
        """True when the next connection will be a new one."""
        return not self._idle

    @contextmanager
    def borrow(self, anew: bool) -> Iterator[Connection]:
        """A connection, for the caller alone. ``anew``: those at hand have turned out to be dead."""
        with self._places:
            if anew:
                self._close_idle()
            connection = self._idle.pop() if self._idle else connect(self._parameters)
            try:
                yield connection
            finally:
                # Whoever was called off in the middle of a statement leaves it running.
                if is_usable(connection) and not self._closed:
                    self._idle.append(connection)
                else:
                    connection.close()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def close(self) -> None:
        """Close all that nobody works with, and the others when they come back."""
        self._closed = True
        self._close_idle()


class PostgresEngine:
    """Runs jobs against one PostgreSQL database: an Engine. For the options see Writer.

    ``pool``: connections that read. Takes two more for the writers.
    """

    shared = True

    def __init__(
        self, url: str, max_waiting: int = MAX_WAITING, pool: int = POOL, patience: float = PATIENCE
    ) -> None:
        parameters = connection_parameters(url)
        self._patience = patience
        self._closed = False
        self._quiet_until = 0.0
        self._readers = Readers(parameters, pool)
        self._sessions = (
            Session(parameters, patience=patience),
            Session(parameters, ACCEPTING, patience),
        )
        writer, accepting = (
            Writer(session.run, gevent.spawn, self._ours, max_waiting, patience) for session in self._sessions
        )
        self.write, self.submit, self.keep = writer.write, writer.submit, writer.keep
        self.accept = accepting.write
        self._flushes = (accepting.flush, writer.flush)

    def read(self, job: Callable[[Transaction], T]) -> T:
        """Run a job that only reads; waits. Raises StoreUnavailable."""
        fresh = self._readers.all_new
        try:
            return self._read(job, anew=False)
        except TROUBLES as error:
            # The server may have been restarted since the connection was last used.
            if fresh or not is_lost(error):
                self._raise_ours(error)
        except Exception as error:
            self._raise_ours(error)
        return self._read_once_more(job)

    def _read_once_more(self, job: Callable[[Transaction], T]) -> T:
        try:
            return self._read(job, anew=True)
        except Exception as error:
            self._raise_ours(error)

    def _read(self, job: Callable[[Transaction], T], anew: bool) -> T:
        timeout = gevent.Timeout(self._patience)
        try:
            with timeout, self._readers.borrow(anew) as connection:
                return job(PostgresTransaction(connection))
        except gevent.Timeout as error:
            if error is not timeout:
                raise
            raise StoreUnavailable() from error

    def flush(self) -> None:
        """Wait until everything submitted so far is committed."""
        for flush in self._flushes:
            flush()

    def close(self) -> None:
        """Commit what waits, close the connections."""
        if self._closed:
            return
        self._closed = True
        try:
            self.flush()
        finally:
            for session in self._sessions:
                session.close()
            self._readers.close()

    def _raise_ours(self, error: BaseException) -> NoReturn:
        ours = self._ours(error)
        raise ours from (None if ours is error else error)

    def _ours(self, error: BaseException) -> BaseException:
        """The store's errors as StoreUnavailable. An outage concerns every job and is told now and then."""
        if isinstance(error, OnepushError) or not isinstance(error, psycopg.Error | OSError | gevent.Timeout):
            return error
        if isinstance(error, TROUBLES) or not isinstance(error, psycopg.Error):
            self._tell_outage(error)
        else:
            log.error("commit_failed", error=type(error).__name__, detail=reason_of(error))
        unavailable = StoreUnavailable()
        unavailable.__cause__ = error
        return unavailable

    def _tell_outage(self, error: BaseException) -> None:
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET
            log.error("store_unavailable", error=type(error).__name__, detail=reason_of(error))
