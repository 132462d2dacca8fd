"""One transaction on one connection: SQL in a small common dialect of SQLite and PostgreSQL.

Our statements are written with ``?`` for parameters, ``IN KEYS ?`` for a list of integer keys,
``ALL KEYS(…)`` for all keys of a group as one value and ``LEAST(…)`` for the smaller of two values;
``translate`` turns them into the engine's own words.
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
    """SQLite's words: a list of keys travels as one JSON text."""
    return (
        statement.replace("IN KEYS ?", "IN (SELECT value FROM json_each(?))")
        .replace("ALL KEYS(d.key)", "json_group_array(d.key) FILTER (WHERE d.key IS NOT NULL)")
        .replace("LEAST(", "MIN(")
    )


class Transaction:
    """What a job gets to work with; committed with its batch when the job has returned."""

    __slots__ = ("_connection", "_translate")

    def __init__(self, connection: Any, translate: Callable[[str], str] = to_sqlite) -> None:
        self._connection = connection
        self._translate = translate

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
