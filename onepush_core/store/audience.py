"""Reading an audience page by page, always by key, never by offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import peewee

from onepush_core.objects import Message
from onepush_core.store.transaction import Transaction

JOIN = "device d ON d.key = page.k AND {}"
JOIN_BY_KEY = "LATERAL (SELECT d.key FROM device d WHERE d.key = page.k AND {} OFFSET 0) d ON true"
"""The same, with no other way than to look each key up."""
MERGED = 250
"""Queries in one compound SELECT; SQLite takes at most 500."""


class KeyQuery(NamedTuple):
    """A query of device keys as SQL that ends in a WHERE clause; ``column``: what it selects.

    For what is asked with every message; peewee's builder says the same in a hundred microseconds more.
    ``quick``: a page costs little more than its devices, so it may be read where deliveries are written.
    ``others``: more queries of the same kind; the audience is what any of them finds, each device once.
    """

    statement: str
    parameters: Sequence[Any]
    column: str = "key"
    others: tuple[KeyQuery, ...] = ()
    quick: bool = False


def whole_app(app: int) -> KeyQuery:
    """All devices of an app."""
    return KeyQuery("SELECT key FROM device WHERE app = ? AND active = 1", (app,), quick=True)


def with_aliases(app: int, aliases: Sequence[str]) -> KeyQuery:
    """The devices of these aliases."""
    statement = f"SELECT key FROM device WHERE app = ? AND alias IN ({_marks(aliases)})"
    return KeyQuery(statement, (app, *aliases), quick=True)


def with_ids(app: int, ids: Sequence[str]) -> KeyQuery:
    """The devices with these ids; the plus sign keeps the database from reading the whole app instead."""
    statement = f"SELECT key FROM device WHERE +app = ? AND id IN ({_marks(ids)})"
    return KeyQuery(statement, (app, *ids), quick=True)


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


class Page(NamedTuple):
    """Keys of some devices of an audience, ascending; ``last``: the key to go on from, None at the end.

    ``apart``: no other page has keys between the first and the last of these.
    """

    keys: list[int]
    last: int | None
    apart: bool = True


def read_page(
    transaction: Transaction, message: Message, query: KeyQuery | peewee.Select, after: int, limit: int
) -> Page:
    """The next page of a query of device keys, narrowed to whom this message may reach."""
    statement, parameters = _page_of(query, after, limit, transaction.plans_by_statistics)
    narrow, values = narrowing(message)
    join = JOIN_BY_KEY if transaction.plans_by_statistics else JOIN
    row = transaction.row(
        f"WITH page(k) AS ({statement}) SELECT count(*), max(page.k), ALL KEYS(d.key) FROM page"
        f" LEFT JOIN {join.format(narrow)}",
        [*parameters, *values],
    )
    assert row is not None
    count, last, keys = row
    return Page(transaction.read_keys(keys), last if count >= limit else None)


def _page_of(
    query: KeyQuery | peewee.Select, after: int, limit: int, bounded: bool
) -> tuple[str, Sequence[Any]]:
    if isinstance(query, KeyQuery):
        merged = _merged_bounded if bounded and query.others else _merged
        return merged([query, *query.others], after, limit)
    column = query._returning[0]  # type: ignore[attr-defined]
    statement, parameters = query.where(column > after).order_by(column).limit(limit).sql()
    return statement, parameters


def _merged(queries: Sequence[KeyQuery], after: int, limit: int) -> tuple[str, list[Any]]:
    """The next keys of all queries together.

    Each is read in the order of its keys and only as far as the page goes: the bound stands in each.
    """
    if len(queries) > MERGED:
        parts = [
            _merged(queries[start : start + MERGED], after, limit) for start in range(0, len(queries), MERGED)
        ]
        arms = [(f"SELECT * FROM ({statement}) AS part", values) for statement, values in parts]
    else:
        arms = [(f"{one.statement} AND {one.column} > ?", [*one.parameters, after]) for one in queries]
    union = " UNION ".join(statement for statement, _ in arms)
    return f"{union} ORDER BY 1 LIMIT ?", [*(value for _, values in arms for value in values), limit]


def _merged_bounded(queries: Sequence[KeyQuery], after: int, limit: int) -> tuple[str, list[Any]]:
    """The same for an engine that reads each query to its end before it merges them."""
    arms = [
        (
            f"({one.statement} AND {one.column} > ? ORDER BY {one.column} LIMIT ?)",
            [*one.parameters, after, limit],
        )
        for one in queries
    ]
    union = " UNION ".join(statement for statement, _ in arms)
    return f"{union} ORDER BY 1 LIMIT ?", [*(value for _, values in arms for value in values), limit]


def read_named(transaction: Transaction, message: Message, ids: Sequence[str]) -> list[int]:
    """Keys of the devices with these ids, narrowed to whom this message may reach."""
    if not ids:
        return []
    narrow, values = narrowing(message)
    rows = transaction.rows(
        f"SELECT d.key FROM device d WHERE d.id IN ({_marks(ids)}) AND {narrow} ORDER BY d.key",
        [*ids, *values],
    )
    return [row[0] for row in rows]


def narrowing(message: Message) -> tuple[str, list[Any]]:
    """Same app, registered at acceptance, and platform and tenant where the send names them.

    The devices are known by key or id: the plus sign keeps the database from reading the whole app instead.
    """
    clauses = ["+d.active = 1", "+d.app = ?", "d.since < ?"]
    values: list[Any] = [message.app.key, message.key]
    if message.platform != "ALL":
        clauses.append("d.platform = ?")
        values.append(message.platform)
    if message.tenant:
        clauses.append("(d.tenant IS NULL OR d.tenant = ?)")
        values.append(message.tenant)
    return " AND ".join(clauses), values
