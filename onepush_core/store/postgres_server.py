"""PostgreSQL: open a database by its URL, and guard it against a second gateway."""

from __future__ import annotations

import time
from typing import Any

import peewee
import psycopg

from onepush_core.errors import ConfigurationError
from onepush_core.store.postgres_connection import (
    Connection,
    check_server,
    connect,
    connection_parameters,
    reason_of,
)

LOCK = "SELECT pg_try_advisory_lock(hashtext(%s), hashtext(current_schema()))"


def open_database(url: str) -> peewee.PostgresqlDatabase:
    """A database to migrate, and to build queries with. Raises ConfigurationError."""
    parameters = connection_parameters(url)
    _connect(parameters).close()
    return peewee.PostgresqlDatabase(parameters.pop("dbname", ""), prefer_psycopg3=True, **parameters)


def _connect(parameters: dict[str, Any]) -> Connection:
    try:
        connection = connect(parameters)
    except psycopg.Error as error:
        raise ConfigurationError(f"store.database: cannot open the database: {reason_of(error)}") from error
    try:
        check_server(connection)
    except ConfigurationError:
        connection.close()
        raise
    return connection


class ServerLock:
    """An exclusive lock that a server keeps for a connection; it ends with the connection."""

    def __init__(self, database: Any, name: str) -> None:
        self._parameters = {"dbname": database.database, **database.connect_params}
        self._name = f"onepush {name}"
        self._connection: Connection | None = None

    def acquire(self, patience: float) -> bool:
        """Try for ``patience`` seconds; False when another process keeps it. Raises ConfigurationError."""
        self._connection = _connect(self._parameters)
        deadline = time.monotonic() + patience
        while not self._try():
            if time.monotonic() >= deadline:
                self.release()
                return False
            time.sleep(0.05)
        return True

    def _try(self) -> bool:
        assert self._connection is not None
        try:
            row = self._connection.execute(LOCK, (self._name,)).fetchone()
        except psycopg.Error as error:
            raise ConfigurationError(f"store.database: cannot lock: {reason_of(error)}") from error
        return bool(row and row[0])

    def release(self) -> None:
        """Give the lock back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
