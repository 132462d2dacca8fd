"""One transaction on one connection: SQL in a small common dialect of SQLite and PostgreSQL.

Our statements are written with ``?`` for parameters, ``IN KEYS ?`` for a list of integer keys,
``ALL KEYS(…)`` for all keys of a group as one value, ``LEAST(…)`` and ``GREATEST(…)`` for the smaller and
the greater of two values, and end in ``FOR UPDATE`` where what was read decides what is written; each
engine's Transaction turns them into the engine's own words. A unary plus keeps an engine from looking a
column up in an index.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import peewee

Row = tuple[Any, ...]


@lru_cache(maxsize=1024)
def to_sqlite(statement: str) -> str:
    """SQLite's words: a list of keys travels as one JSON text; its one writer needs no row locks."""
    return (
        statement.replace("IN KEYS ?", "IN (SELECT value FROM json_each(?))")
        .replace("ALL KEYS(d.key)", "json_group_array(d.key) FILTER (WHERE d.key IS NOT NULL)")
        .replace("LEAST(", "MIN(")
        .replace("GREATEST(", "MAX(")
        .replace(" FOR UPDATE SKIP LOCKED", "")
        .replace(" FOR UPDATE", "")
    )


class Transaction:
    """What a job gets to work with; committed with its batch when the job has returned.

    This one speaks SQLite's words. ``notes``: whatever jobs want to remember until the end of the batch.
    """

    __slots__ = ("_connection", "_steps", "notes")
    _translate: Callable[[str], str] = staticmethod(to_sqlite)
    plans_by_statistics = False
    """Whether the engine chooses among many plans: a statement must leave it no way to read too much."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._steps: list[Callable[[Transaction], None]] = []
        self.notes: dict[str, Any] = {}

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """Run one statement; returns the driver's cursor."""
        return self._connection.execute(self._translate(statement), parameters)

    def execute_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row of parameters."""
        self._connection.executemany(self._translate(statement), rows)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        found: list[Row] = self.execute(statement, parameters).fetchall()
        return found

    def row(self, statement: str, parameters: Sequence[Any] = ()) -> Row | None:
        """The first row of a query, or None."""
        found: Row | None = self.execute(statement, parameters).fetchone()
        return found

    def query(self, query: peewee.BaseQuery) -> list[Row]:
        """All rows of a query made with peewee's builder (already in the engine's words)."""
        statement, parameters = query.sql()
        found: list[Row] = self._connection.execute(statement, parameters).fetchall()
        return found

    @staticmethod
    def read_keys(value: Any) -> list[int]:
        """What ``ALL KEYS(…)`` gave, ascending."""
        keys: list[int] = sorted(json.loads(value))
        return keys

    @staticmethod
    def keys(keys: Sequence[int]) -> Any:
        """The parameter for ``IN KEYS ?``."""
        return json.dumps(keys, separators=(",", ":"))

    def lock(self, name: str) -> None:
        """Wait until no other process is in a transaction that holds this name; SQLite has one writer."""

    def lock_devices(self, keys: Sequence[int]) -> None:
        """Wait until no other process changes these devices, and keep them until the commit."""

    def before_commit(self, step: Callable[[Transaction], None]) -> None:
        """Call this once all jobs of the batch have run."""
        self._steps.append(step)

    def finish(self) -> None:
        """What was left for the end of the batch; for the engine."""
        for step in self._steps:
            step(self)
