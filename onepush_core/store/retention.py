"""Forgetting: finished messages and old idempotency keys, in small batches."""

from __future__ import annotations

from onepush_core.store.transaction import Transaction


def oldest_finished(transaction: Transaction, before: int, limit: int) -> list[int]:
    """Keys of messages that ended before a time."""
    rows = transaction.rows(
        "SELECT key FROM message WHERE finished_at < ? ORDER BY finished_at LIMIT ?", (before, limit)
    )
    return [row[0] for row in rows]


def prune(transaction: Transaction, message: int, limit: int) -> bool:
    """Delete up to ``limit`` rows of a message, in the end itself; True when it is gone."""
    for table, key in (("delivery", "device"), ("trail", "key")):
        deleted = transaction.execute(
            f"DELETE FROM {table} WHERE message = ? AND {key} IN"
            f" (SELECT {key} FROM {table} WHERE message = ? LIMIT ?)",
            (message, message, limit),
        ).rowcount
        if deleted == limit:
            return False
    transaction.execute("DELETE FROM message_transport WHERE message = ?", (message,))
    transaction.execute("DELETE FROM message WHERE key = ?", (message,))
    return True


def prune_idempotency(transaction: Transaction, before: int, limit: int) -> int:
    """Delete up to ``limit`` idempotency keys older than a time; returns how many."""
    deleted: int = transaction.execute(
        "DELETE FROM idempotency WHERE (app, key) IN"
        " (SELECT app, key FROM idempotency WHERE at < ? ORDER BY at LIMIT ?)",
        (before, limit),
    ).rowcount
    return deleted
