"""Reading an audience page by page, always by key, never by offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import peewee

from onepush_core.objects import Device, Message
from onepush_core.store.devices import COLUMNS
from onepush_core.store.transaction import Transaction


class KeyQuery(NamedTuple):
    """A query of device keys as SQL that ends in a WHERE clause; ``column``: what it selects.

    For what is asked with every message; peewee's builder says the same in a hundred microseconds more.
    """

    statement: str
    parameters: Sequence[Any]
    column: str = "key"


class Page(NamedTuple):
    """Some devices of an audience, ascending by key; ``last``: the key to go on from, None at the end."""

    devices: list[Device]
    last: int | None


def read_page(
    transaction: Transaction, message: Message, query: KeyQuery | peewee.Select, after: int, limit: int
) -> Page:
    """The next page of a query of device keys, narrowed to whom this message may reach."""
    statement, parameters = _page_of(query, after, limit)
    narrow, values = narrowing(message)
    rows = transaction.rows(
        f"WITH page(k) AS ({statement}) SELECT page.k, {COLUMNS} FROM page"
        f" LEFT JOIN device d ON d.key = page.k AND {narrow} ORDER BY page.k",
        [*parameters, *values],
    )
    devices = [Device(*row[1:]) for row in rows if row[1] is not None]
    return Page(devices, rows[-1][0] if len(rows) >= limit else None)


def _page_of(query: KeyQuery | peewee.Select, after: int, limit: int) -> tuple[str, Sequence[Any]]:
    if isinstance(query, KeyQuery):
        page = f"{query.statement} AND {query.column} > ? ORDER BY {query.column} LIMIT ?"
        return page, [*query.parameters, after, limit]
    column = query._returning[0]  # type: ignore[attr-defined]
    statement, parameters = query.where(column > after).order_by(column).limit(limit).sql()
    return statement, parameters


def read_named(transaction: Transaction, message: Message, ids: Sequence[str]) -> Page:
    """The devices with these ids, narrowed to whom this message may reach."""
    narrow, values = narrowing(message)
    marks = ", ".join("?" * len(ids))
    rows = transaction.rows(
        f"SELECT {COLUMNS} FROM device d WHERE d.id IN ({marks}) AND {narrow} ORDER BY d.key",
        [*ids, *values],
    )
    return Page([Device(*row) for row in rows], None)


def narrowing(message: Message) -> tuple[str, list[Any]]:
    """Same app, registered at acceptance, and platform and tenant where the send names them."""
    clauses = ["d.active = 1", "d.app = ?", "d.since < ?"]
    values: list[Any] = [message.app.key, message.key]
    if message.platform != "ALL":
        clauses.append("d.platform = ?")
        values.append(message.platform)
    if message.tenant:
        clauses.append("(d.tenant IS NULL OR d.tenant = ?)")
        values.append(message.tenant)
    return " AND ".join(clauses), values
