"""PostgreSQL: open a database by its URL, and guard it against a second gateway."""

from __future__ import annotations

import time
from itertools import cycle
from typing import Any

import gevent
import peewee
import psycopg

from onepush_core.errors import ConfigurationError
from onepush_core.store.postgres_connection import (
    CONNECT_TIMEOUT,
    Connection,
    check_server,
    connect,
    connection_parameters,
    reason_of,
)

START_TIMEOUT = 3
"""Seconds that an operator who starts something waits for servers that say nothing, unless the URL says."""
SERVER_TIMEOUT = 2
"""Of these for each, where the URL names several."""
LOCK = "SELECT pg_try_advisory_lock(hashtext(%s), hashtext(current_schema()))"


def open_database(url: str) -> peewee.PostgresqlDatabase:
    """A database to migrate, and to build queries with. Raises ConfigurationError."""
    parameters = connection_parameters(url)
    _connect_soon(parameters).close()
    return peewee.PostgresqlDatabase(parameters.pop("dbname", ""), prefer_psycopg3=True, **parameters)


def _connect_soon(parameters: dict[str, Any]) -> Connection:
    if parameters["connect_timeout"] != CONNECT_TIMEOUT:
        return _connect(parameters)
    with gevent.Timeout(START_TIMEOUT, _no_answer(parameters)):
        several = "," in str(parameters.get("host", ""))
        return _connect({**parameters, **({"connect_timeout": SERVER_TIMEOUT} if several else {})})


def _connect(parameters: dict[str, Any]) -> Connection:
    try:
        connection = connect(parameters)
    except psycopg.errors.ConnectionTimeout as error:
        raise _no_answer(parameters) from error
    except psycopg.Error as error:
        raise ConfigurationError(f"store.database: cannot open the database: {reason_of(error)}") from error
    try:
        check_server(connection)
    except ConfigurationError:
        connection.close()
        raise
    return connection


def _no_answer(parameters: dict[str, Any]) -> ConfigurationError:
    return ConfigurationError(
        f"store.database: cannot open the database: no answer from {_servers(parameters)}"
    )


def _servers(parameters: dict[str, Any]) -> str:
    hosts = str(parameters.get("host", "localhost")).split(",")
    ports = str(parameters.get("port", "5432")).split(",")
    return ",".join(f"{host}:{port}" for host, port in zip(hosts, cycle(ports), strict=False))


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
