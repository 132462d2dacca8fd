"""SQLite: open the file by its URL, and guard it against a second gateway."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Any

import peewee

from onepush_core.errors import ConfigurationError

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
        raise ConfigurationError(
            "store.database: takes sqlite:///path/to/file.db or postgresql://user@host:port/database"
        )
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
        raise ConfigurationError(f"store.database: cannot open the database: {error}") from error
    return database


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
