"""Workers that are alive, the lanes they work on, and what is left of those that died. PostgreSQL only.

All times are the database's own: the clocks of several hosts may differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from onepush_core.store.transaction import Transaction

NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"


class Worker(NamedTuple):
    """A worker that was alive when last heard of."""

    key: int
    host: str
    pid: int


def add(transaction: Transaction, host: str, pid: int, lease: int) -> int:
    """A new worker's key, which no other ever had; it lives for ``lease`` milliseconds unless it renews."""
    row = transaction.row(
        f"INSERT INTO worker(host, pid, started_at, until) VALUES (?, ?, {NOW}, {NOW} + ?) RETURNING key",
        (host, pid, lease),
    )
    assert row is not None
    key: int = row[0]
    return key


def renew(transaction: Transaction, key: int, lease: int) -> bool:
    """Live on; False: this worker was given up, and what it had in hand belongs to others."""
    renewed = transaction.execute(f"UPDATE worker SET until = {NOW} + ? WHERE key = ?", (lease, key))
    return bool(renewed.rowcount)


def is_alive(transaction: Transaction, key: int) -> bool:
    """Whether nobody has given this worker up, until the end of the transaction."""
    return transaction.row("SELECT 1 FROM worker WHERE key = ? FOR KEY SHARE", (key,)) is not None


def living(transaction: Transaction) -> list[Worker]:
    """All workers that have not been given up, the oldest first."""
    return [Worker(*row) for row in transaction.rows("SELECT key, host, pid FROM worker ORDER BY key")]


def reap(transaction: Transaction, crashed: Sequence[int], expired: bool) -> list[int]:
    """Give up these workers and, if so told, those whose lease has run out; their keys.

    What they had in hand is free. A worker that writes at this very moment is left for the next time.
    """
    rows = transaction.rows(
        "DELETE FROM worker WHERE key IN (SELECT key FROM worker"
        f" WHERE key IN KEYS ? OR (until < {NOW} AND ?) ORDER BY key FOR UPDATE SKIP LOCKED) RETURNING key",
        (transaction.keys(crashed), expired),
    )
    dead = [row[0] for row in rows]
    for key in dead:
        _release(transaction, key)
    return dead


def leave(transaction: Transaction, key: int) -> None:
    """This worker stops: what it had in hand is free."""
    transaction.execute("DELETE FROM worker WHERE key = ?", (key,))
    _release(transaction, key)


def _release(transaction: Transaction, key: int) -> None:
    transaction.execute("DELETE FROM lane WHERE worker = ?", (key,))
    transaction.execute("DELETE FROM presence WHERE worker = ?", (key,))
    transaction.execute("DELETE FROM mail WHERE worker = ?", (key,))
    transaction.execute(
        f"UPDATE delivery SET due = {NOW}, holder = NULL WHERE holder = ? AND state = 0", (key,)
    )


class Owner(NamedTuple):
    """Who has the lane of an app, and how often it had gone from one worker to another by then."""

    worker: int
    term: int


def claim_lanes(transaction: Transaction, apps: Sequence[int], key: int) -> dict[int, Owner]:
    """Take the lanes of these apps unless somebody has them; for each app who has it now."""
    keys = transaction.keys(sorted(apps))
    taken = transaction.rows(
        "INSERT INTO lane(app, worker) SELECT key, ? FROM app WHERE key IN KEYS ? ORDER BY key"
        " ON CONFLICT DO NOTHING RETURNING app",
        (key, keys),
    )
    if taken:
        transaction.execute(
            "UPDATE app SET lane_term = lane_term + 1, lane_worker = ?"
            " WHERE key IN KEYS ? AND lane_worker IS DISTINCT FROM ?",
            (key, transaction.keys([app for (app,) in taken]), key),
        )
    rows = transaction.rows(
        "SELECT lane.app, lane.worker, app.lane_term FROM lane JOIN app ON app.key = lane.app"
        " WHERE lane.app IN KEYS ?",
        (keys,),
    )
    return {app: Owner(worker, term) for app, worker, term in rows}


def release_lane(transaction: Transaction, app: int, key: int) -> None:
    """Let others have the lane of this app."""
    transaction.execute("DELETE FROM lane WHERE app = ? AND worker = ?", (app, key))


def apps_to_wake(transaction: Transaction, key: int) -> list[int]:
    """Apps with undispatched messages whose lane is this worker's or nobody's."""
    rows = transaction.rows(
        "SELECT a.key FROM app a LEFT JOIN lane l ON l.app = a.key WHERE (l.worker IS NULL OR l.worker = ?)"
        " AND EXISTS (SELECT 1 FROM message m WHERE m.app = a.key AND m.state = 0)",
        (key,),
    )
    return [row[0] for row in rows]
