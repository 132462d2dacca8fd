"""Open a database by URL, bring its schema up to date, and guard it against a second gateway.

What is peculiar to one kind of database is in ``sqlite_file`` and ``postgres_server``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import peewee
from playhouse.migrations import MigrationError, Runner

from onepush_core.errors import ConfigurationError
from onepush_core.settings import StoreSettings
from onepush_core.store import sqlite_file
from onepush_core.store.sqlite import SqliteEngine

if TYPE_CHECKING:
    from onepush_core.store.engine import Engine

MIGRATIONS = Path(__file__).parent / "migrations"
POSTGRES = ("postgresql://", "postgres://")
PATIENCE = 30.0


class Lock(Protocol):
    """Held by at most one process; it ends with the process."""

    def acquire(self, patience: float) -> bool:
        """Try for ``patience`` seconds; False when another process keeps it."""

    def release(self) -> None:
        """Give the lock back."""


def open_database(url: str) -> peewee.Database:
    """A database that was there when asked. Raises ConfigurationError."""
    if url.startswith(POSTGRES):
        database: peewee.Database = _postgres().open_database(url)
        return database
    return sqlite_file.open_database(url)


def open_engine(database: peewee.Database, settings: StoreSettings) -> Engine:
    """The engine for a database that was opened."""
    if isinstance(database, peewee.SqliteDatabase):
        return SqliteEngine(database, settings.max_waiting)
    from onepush_core.store.postgres import PostgresEngine

    return PostgresEngine(settings.database, settings.max_waiting, settings.pool)


def migrate(database: peewee.Database, directory: Path = MIGRATIONS, owner: str = "core") -> list[str]:
    """Apply the pending numbered migrations of one owner; returns their names.

    Runs under an exclusive lock, so that two starts at once apply each migration once.
    """
    lock = migration_lock(database)
    try:
        if not lock.acquire(PATIENCE):
            raise ConfigurationError("store.database: another process is migrating the database")
        runner = Runner(database, str(directory), table_name=f"migration_{owner}")
        applied: list[str] = runner.up() or []
    except (MigrationError, peewee.PeeweeException, OSError) as error:
        raise ConfigurationError(f"store.database: migration failed: {_reason(error)}") from error
    finally:
        lock.release()
        if not isinstance(database, peewee.SqliteDatabase):
            database.close()  # the engine has connections of its own
    return applied


def migration_lock(database: peewee.Database) -> Lock:
    """Held while migrations run."""
    return _lock(database, "migrate")


def worker_lock(database: peewee.Database) -> Lock:
    """Held by the one worker that serves a database."""
    return _lock(database, "worker")


def _lock(database: Any, name: str) -> Lock:
    if isinstance(database, peewee.SqliteDatabase):
        return sqlite_file.FileLock(database, f".{name}.lock")
    lock: Lock = _postgres().ServerLock(database, name)
    return lock


def listen(url: str, ring: Callable[[int], object]) -> None:
    """Call ``ring(worker)`` whenever a worker has mail in the shared database, for ever."""
    from onepush_core.store.listening import listen

    listen(url, ring)


def _postgres() -> Any:
    """The module that needs psycopg, which only those install who use PostgreSQL."""
    try:
        from onepush_core.store import postgres_server
    except ImportError as error:
        raise ConfigurationError(
            f"store.database: PostgreSQL needs psycopg ({error}): pip install 'onepush-core[postgres]'"
        ) from error
    return postgres_server


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
