"""The core's tables, empty, and expressions evaluated the slow and obvious way."""

import importlib.util
import sqlite3
from collections.abc import Callable
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

from hypothesis import strategies as st

from harness.databases import ON_POSTGRES, database_url
from onepush_core.store.database import MIGRATIONS, migrate, open_database
from onepush_core.store.postgres_connection import connect, connection_parameters
from onepush_core.store.postgres_transaction import PostgresTransaction
from onepush_core.store.transaction import Transaction

TAGS = ("a", "b", "c", "d", "标签")


@contextmanager
def empty_store():
    """A Transaction on the core's tables, with two apps; nothing of it stays."""
    with empty_postgres() if ON_POSTGRES else empty_sqlite() as transaction:
        transaction.execute_many(
            "INSERT INTO app(key, id, name, created_at) VALUES (?, ?, '', 0)", [(1, "one"), (2, "two")]
        )
        yield transaction


@contextmanager
def empty_sqlite():
    """In memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    spec = importlib.util.spec_from_file_location("first_migration", MIGRATIONS / "0001_initial.py")
    migration = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(migration)
    for statement in migration.TABLES:
        connection.execute(statement.format(**migration.SQLITE))
    yield Transaction(connection)
    connection.close()


@contextmanager
def empty_postgres():
    """In one database for all, in a transaction that is undone."""
    parameters = connection_parameters(migrated())
    with connect(parameters) as connection, connection.transaction(force_rollback=True):
        yield PostgresTransaction(connection)


@lru_cache
def migrated():
    """The URL of a database that has the core's tables."""
    url = database_url("/memory of the tags")
    migrate(open_database(url))
    return url


class Registered(NamedTuple):
    """A device as a test thinks of it."""

    app: int
    platform: str
    tenant: str | None
    active: bool
    tags: frozenset[str]


def add_device(transaction, key, device):
    """Put a device with this key into the store."""
    transaction.execute(
        "INSERT INTO device(key, id, app, token, alias, platform, tenant, active, since, registered_at)"
        " VALUES (?, ?, ?, ?, 'ann', ?, ?, ?, 0, 0)",
        (key, f"id{key}", device.app, f"token{key}", device.platform, device.tenant, int(device.active)),
    )
    transaction.execute_many(
        "INSERT INTO device_tag(app, tag, device) VALUES (?, ?, ?)",
        [(device.app, tag, key) for tag in device.tags],
    )


class Formula(NamedTuple):
    """An expression as text, what it means of a set of tags, and how deep its text nests."""

    text: str
    holds: Callable[[frozenset[str]], bool]
    depth: int = 0


def _term(tag):
    return Formula(tag, lambda tags: tag in tags)


def _not(inner):
    return Formula(f"!({inner.text})", lambda tags: not inner.holds(tags), inner.depth + 2)


def _joined(operator, join, parts):
    text = operator.join(f"({part.text})" for part in parts)
    deepest = max(part.depth for part in parts)
    return Formula(text, lambda tags: join(part.holds(tags) for part in parts), deepest + 1)


def _all(parts):
    return _joined(" & ", all, parts)


def _any(parts):
    return _joined(" | ", any, parts)


def _grown(inner):
    parts = st.lists(inner, min_size=2, max_size=3)
    return st.one_of(inner.map(_not), parts.map(_all), parts.map(_any))


devices = st.builds(
    Registered,
    app=st.sampled_from([1, 1, 2]),
    platform=st.sampled_from(["ANDROID", "IOS", "WEB"]),
    tenant=st.sampled_from([None, "north", "south"]),
    active=st.sampled_from([True, True, True, False]),
    tags=st.frozensets(st.sampled_from(TAGS)),
)
formulas = st.recursive(st.sampled_from(TAGS).map(_term), _grown, max_leaves=8).filter(
    lambda formula: formula.depth <= 8
)
