"""A Transaction in PostgreSQL's words. Other processes write at the same time: READ COMMITTED."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.adapt import Dumper

from onepush_core.store.transaction import Transaction

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' ' || %s, 1700))"


@lru_cache(maxsize=1024)
def to_postgres(statement: str) -> str:
    """psycopg's and PostgreSQL's words; ``%s`` and ``%%`` stand in what peewee's builder made."""
    percents = re.sub(r"%%|%s|%", lambda found: found[0] if len(found[0]) == 2 else "%%", statement)
    return (
        percents.replace("IN KEYS ?", "= ANY(?)")
        .replace("ALL KEYS(d.key)", "array_agg(d.key ORDER BY d.key) FILTER (WHERE d.key IS NOT NULL)")
        .replace("?", "%s")
    )


class KeyArray:
    """A list of integer keys as a parameter. psycopg takes a microsecond for each element of a plain list."""

    __slots__ = ("keys",)

    def __init__(self, keys: Sequence[int]) -> None:
        self.keys = keys


class KeyArrayDumper(Dumper):
    """Writes them as PostgreSQL's text of a ``bigint[]``."""

    oid = psycopg.postgres.types["int8"].array_oid

    def dump(self, obj: KeyArray) -> bytes:
        """The text: Python's of a list but for the brackets, which costs less than joining it."""
        return b"{%s}" % str(list(obj.keys))[1:-1].encode()


class PostgresTransaction(Transaction):
    """What a job gets to work with."""

    __slots__ = ()
    _translate = staticmethod(to_postgres)
    plans_by_statistics = True

    def execute_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row of parameters, in one exchange with the server."""
        known = list(rows)
        if len(known) == 1:  # without the cost of a pipeline
            self.execute(statement, known[0])
            return
        with self._connection.cursor() as cursor:
            cursor.executemany(self._translate(statement), known)

    @staticmethod
    def read_keys(value: Any) -> list[int]:
        """What ``ALL KEYS(…)`` gave, ascending."""
        keys: list[int] = value or []
        return keys

    @staticmethod
    def keys(keys: Sequence[int]) -> Any:
        """The parameter for ``IN KEYS ?``."""
        return KeyArray(keys)

    def lock(self, name: str) -> None:
        """Wait until no other process is in a transaction that holds this name."""
        self._connection.execute(LOCK, (name,))

    def lock_devices(self, keys: Sequence[int]) -> None:
        """Wait until no other process changes these devices, and keep them until the commit."""
        self.execute(
            "SELECT 1 FROM device WHERE key IN KEYS ? ORDER BY key FOR UPDATE", (self.keys(keys),)
        ).close()
