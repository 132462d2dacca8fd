"""The databases of the tests: files, or databases of a PostgreSQL server.

``ONEPUSH_TEST_STORE=postgresql``, which ``tests/run.py`` sets for a second pass, puts every gateway of the
tests on PostgreSQL: the server that ``ONEPUSH_TEST_POSTGRES_URL`` names, or that of this machine.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from onepush_core.settings import StoreSettings

try:
    import psycopg
except ImportError:  # onepush-core without its extra: SQLite only
    psycopg = None

ON_POSTGRES = os.environ.get("ONEPUSH_TEST_STORE", "sqlite") == "postgresql"
REQUIRED = os.environ.get("ONEPUSH_TEST_REQUIRE_SERVICES") == "1"
SERVER = os.environ.get("ONEPUSH_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
GIVEN = "ONEPUSH_TEST_DATABASE"
"""Set for a process that shall use the database that its parent has made, whatever its folder is."""
POOL = 2
"""Connections that read: many gateways share a server that takes a hundred."""
END_SESSIONS = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
_made: dict[Path, str] = {}
_free: list[str] = []
"""Databases that are empty again: making one costs more than most tests."""
_numbers = count(1)


def missing_server() -> str | None:
    """Why there is no PostgreSQL for the tests; None when there is."""
    if psycopg is None:
        return "psycopg is not installed"
    try:
        psycopg.connect(SERVER, connect_timeout=5).close()
    except psycopg.Error as error:
        return f"no PostgreSQL at {urlsplit(SERVER).hostname}: {str(error).splitlines()[0]}"
    return None


def database_url(folder: Path | str, name: str = "onepush.db") -> str:
    """The database of a folder, empty at first: the same one each time it is asked for."""
    if given := os.environ.get(GIVEN):
        return given
    folder = Path(folder)
    return postgres_url(folder) if ON_POSTGRES else f"sqlite:///{folder / name}"


def postgres_url(folder: Path) -> str:
    """A PostgreSQL database of a folder, whatever the others are on."""
    if folder not in _made:
        _made[folder] = _free.pop() if _free else _create()
    return _url_of(_made[folder])


def _url_of(name: str) -> str:
    return urlsplit(SERVER)._replace(path=f"/{name}").geturl()


def _create() -> str:
    name = f"onepush_test_{os.getpid()}_{next(_numbers)}"
    _administer(SERVER, f"CREATE DATABASE {name}")
    return name


def store_settings(folder: Path | str) -> StoreSettings:
    """Settings for a gateway in this process on the database of a folder."""
    return StoreSettings(database=database_url(folder), pool=POOL)


def empty_databases(below: Path | str) -> None:
    """Empty the databases of this folder and those in it, for the next tests."""
    for folder in [one for one in _made if one.is_relative_to(below)]:
        name = _made.pop(folder)
        _administer(SERVER, END_SESSIONS.format(name=name))
        _administer(_url_of(name), "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        _free.append(name)


def drop_databases() -> None:
    """Leave nothing behind."""
    for name in [*_made.values(), *_free]:
        _administer(SERVER, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


atexit.register(drop_databases)


def _administer(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def sqlite_file(url: str) -> Path:
    """The file of a SQLite database."""
    return Path(url.removeprefix("sqlite:///"))


@contextmanager
def writing_alone(url: str) -> Iterator[None]:
    """Meanwhile nobody else can write to this database; reading goes on."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(sqlite_file(url), isolation_level=None, timeout=5)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            yield
            lock.execute("ROLLBACK")
    else:
        with psycopg.connect(url) as connection:
            connection.execute("LOCK TABLE batch, message, delivery IN EXCLUSIVE MODE")
            yield


def look_into(url: str, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a query, seen from outside the gateway."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(sqlite_file(url))) as file:
            return file.execute(statement).fetchall()
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement).fetchall()
