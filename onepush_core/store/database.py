"""Open a database by URL, bring its schema up to date, and guard it against a second gateway."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Any

import peewee
from playhouse.migrations import MigrationError, Runner

from onepush_core.errors import ConfigurationError

MIGRATIONS = Path(__file__).parent / "migrations"
PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",
    "busy_timeout": 5000,
    "foreign_keys": 1,
    "cache_size": -64_000,
    "wal_autocheckpoint": 4000,
    "journal_size_limit": 64 * 1024 * 1024,
}


def sqlite_path(url: str) -> Path:
    """The file that a ``sqlite:///`` URL names. Raises ConfigurationError."""
    prefix, separator, path = url.partition(":///")
    if prefix != "sqlite" or not separator or not path:
        raise ConfigurationError("store.database: this version takes sqlite:///path/to/file.db only")
    return Path(path)


def open_database(url: str) -> peewee.SqliteDatabase:
    """A database with our pragmas, its folder made. Raises ConfigurationError."""
    path = sqlite_path(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # it holds tokens, numbers and texts
        database = peewee.SqliteDatabase(str(path), pragmas=PRAGMAS, check_same_thread=False)
        database.connect(reuse_if_open=True)
        database.execute_sql("SELECT count(*) FROM sqlite_master")  # type: ignore[no-untyped-call]
    except (OSError, peewee.PeeweeException) as error:
        raise ConfigurationError(f"store.database: cannot open the database: {_reason(error)}") from error
    return database


def migrate(database: peewee.Database, directory: Path = MIGRATIONS, owner: str = "core") -> list[str]:
    """Apply the pending numbered migrations of one owner; returns their names.

    Runs under an exclusive lock, so that two starts at once apply each migration once.
    """
    try:
        runner = Runner(database, str(directory), table_name=f"migration_{owner}")
        with migration_lock(database):
            applied: list[str] = runner.up() or []
    except (MigrationError, peewee.PeeweeException, OSError) as error:
        raise ConfigurationError(f"store.database: migration failed: {_reason(error)}") from error
    return applied


class FileLock:
    """An exclusive lock on a file beside the database; the kernel frees it when the process dies."""

    def __init__(self, database: Any, suffix: str) -> None:
        self._path = f"{database.database}{suffix}"
        self._file: int | None = None

    def acquire(self, patience: float) -> bool:
        """Try for ``patience`` seconds; False when another process keeps it."""
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + patience
        while not self._try():
            if time.monotonic() >= deadline:
                self.release()
                return False
            time.sleep(0.05)
        return True

    def _try(self) -> bool:
        assert self._file is not None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> FileLock:
        if not self.acquire(30.0):
            raise ConfigurationError("store.database: another process is migrating the database")
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def migration_lock(database: Any) -> FileLock:
    """Held while migrations run."""
    return FileLock(database, ".migrate.lock")


def worker_lock(database: Any) -> FileLock:
    """Held by the one worker that serves a SQLite database."""
    return FileLock(database, ".worker.lock")


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
