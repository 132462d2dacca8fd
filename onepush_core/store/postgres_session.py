"""A session: the connection of one writer to PostgreSQL, and its transactions.

It waits as a greenlet on the hub: unlike a thread, a greenlet that waits for a server which says nothing can
be called off, and its work does not take the interpreter from the hub in slices.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import gevent
import psycopg
import structlog
from psycopg import errors
from psycopg.pq import TransactionStatus

from onepush_core.store.postgres_connection import TROUBLES, Connection, connect, is_lost, is_usable
from onepush_core.store.postgres_transaction import PostgresTransaction
from onepush_core.store.writer import Job, NoTransaction

log = structlog.get_logger("onepush.store")
TRIES = 5
"""How often a transaction is run that others got in the way of."""
AGAIN = 0.2
CLOSING = 2.0
OLD = 86_400
"""Seconds after which a writer that wrote nothing is taken for gone, and its row deleted."""
NOW = "extract(epoch FROM now())::bigint"
SIGN_IN = f"INSERT INTO batch(writer, number, at) VALUES (%s, 0, {NOW}) ON CONFLICT DO NOTHING"
SIGN_OUT_OTHERS = f"DELETE FROM batch WHERE at < {NOW} - %s"
LAST_NUMBER = "SELECT number FROM batch WHERE writer = %s FOR UPDATE"
LOST_RACES = (errors.DeadlockDetected, errors.SerializationFailure)


class Session:
    """The connection of one writer, and its transactions.

    Each transaction notes its number in the table ``batch``. So when the connection is lost in a COMMIT, the
    answer can be asked for afterwards: what was committed is never run a second time.
    """

    def __init__(self, parameters: dict[str, Any], opening: str = "", patience: float = 10.0) -> None:
        self._parameters = parameters
        self._opening = opening
        self._patience = patience
        self._name = secrets.token_hex(8)
        self._number = 0
        self._connection: Connection | None = None
        self._runner: gevent.Greenlet[..., Any] | None = None
        self._closing = False

    def run(self, jobs: Sequence[Job]) -> list[Any]:
        """Run jobs in one transaction, in a greenlet of its own."""
        runner = gevent.getcurrent()
        assert isinstance(runner, gevent.Greenlet)
        self._runner = runner
        try:
            return self._run(jobs)
        finally:
            self._runner = None

    def _run(self, jobs: Sequence[Job]) -> list[Any]:
        """Again when another process got in the way."""
        for _ in range(TRIES - 1):
            try:
                return self._run_once(jobs)
            except LOST_RACES:
                continue
            except errors.UniqueViolation:
                # Somebody wrote between a job's look and its insert; the next look will see it.
                if len(jobs) > 1:
                    raise
        return self._run_once(jobs)

    def _run_once(self, jobs: Sequence[Job]) -> list[Any]:
        self._number += 1
        connection, results = self._work(jobs)
        try:
            with gevent.Timeout(self._patience):
                _commit(connection)
        except (psycopg.Error, gevent.Timeout) as error:
            if self._abandon() and isinstance(error, psycopg.Error):
                raise  # the server has said no
            if not self._was_committed():
                raise NoTransaction(error) from error
        return results

    def _work(self, jobs: Sequence[Job]) -> tuple[Connection, list[Any]]:
        """Everything but the commit."""
        try:
            with gevent.Timeout(self._patience):
                connection = self._begin()
                transaction = PostgresTransaction(connection)
                results = [job(transaction) for job in jobs]
                transaction.finish()
            return connection, results
        except BaseException as error:
            self._abandon()
            if isinstance(error, (gevent.Timeout, *TROUBLES)) and not isinstance(error, LOST_RACES):
                self._let_go()
                raise NoTransaction(error) from error
            raise

    def _begin(self) -> Connection:
        """A connection in a transaction; one that was lost since it was last used is made anew."""
        for _ in range(2):
            connection = self._ready()
            try:
                connection.execute(self._beginning(), prepare=False)
            except TROUBLES as error:
                if not is_lost(error):
                    raise
                self._let_go()
            else:
                return connection
        raise psycopg.OperationalError("the connection was lost twice")

    def _ready(self) -> Connection:
        """The connection, made anew when the one before was lost."""
        if self._closing:
            raise psycopg.InterfaceError("the engine is closed")
        if self._connection is None or not is_usable(self._connection):
            self._let_go()
            self._connection = connect(self._parameters)
            self._connection.execute(SIGN_IN, (self._name,))
            self._connection.execute(SIGN_OUT_OTHERS, (OLD,))
        return self._connection

    def _beginning(self) -> str:
        """All that begins a transaction, in one exchange with the server."""
        return (
            f"BEGIN ISOLATION LEVEL READ COMMITTED; {self._opening}"
            f" INSERT INTO batch(writer, number, at) VALUES ('{self._name}', {self._number}, {NOW})"
            " ON CONFLICT (writer) DO UPDATE SET number = excluded.number, at = excluded.at"
        )

    def _was_committed(self) -> bool:
        """Whether the transaction whose COMMIT got no answer is there; asks until the server says so.

        The server may still be at it: its row is locked until it is through.
        """
        log.warning("commit_in_doubt")
        while not self._closing:
            try:
                with gevent.Timeout(self._patience):
                    row = self._ready().execute(LAST_NUMBER, (self._name,)).fetchone()
                return row is not None and row[0] == self._number
            except (psycopg.Error, gevent.Timeout):
                self._let_go()
                gevent.sleep(AGAIN)
        return False

    def _abandon(self) -> bool:
        """Roll back what is open; True when the connection is sound, otherwise it is closed."""
        connection = self._connection
        if connection is None:
            return False
        try:
            if connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                with gevent.Timeout(self._patience):
                    connection.execute("ROLLBACK", prepare=False)
        except (psycopg.Error, gevent.Timeout):
            pass
        if is_usable(connection):
            return True
        self._let_go()
        return False

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Call off what is running, and close the connection; a commit in doubt stays so.

        Nobody may wait for a connection while it is closed.
        """
        self._closing = True
        if self._runner is not None:
            self._runner.kill(psycopg.InterfaceError("the engine is closed"), timeout=CLOSING)
        self._let_go()


def _commit(connection: Connection) -> None:
    status = connection.execute("COMMIT", prepare=False).statusmessage
    if status != "COMMIT":  # a job went on after an error: the server rolls back, and says so only here
        raise psycopg.InternalError(f"COMMIT was answered with {status}")
