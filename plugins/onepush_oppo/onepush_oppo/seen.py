"""Which receipts were taken in before: a table of the plugin's own."""

from __future__ import annotations

from collections.abc import Sequence

from onepush_core import Transaction


def remember(
    transaction: Transaction, message: int, event: str, devices: Sequence[int], now: int
) -> list[int]:
    """Those of the devices whose event of this message is new; from now on it is known."""
    rows = transaction.rows(
        "INSERT INTO oppo_receipt(message, event, device, at)"
        " SELECT ?, ?, key, ? FROM device WHERE key IN KEYS ? ORDER BY key"
        " ON CONFLICT DO NOTHING RETURNING device",
        (message, event, now, transaction.keys(devices)),
    )
    return sorted(row[0] for row in rows)


def forget_older(transaction: Transaction, before: int, limit: int) -> bool:
    """Delete some of what was remembered before this time; True when there may be more."""
    cursor = transaction.execute(
        "DELETE FROM oppo_receipt WHERE (message, event, device) IN"
        " (SELECT message, event, device FROM oppo_receipt WHERE at < ? LIMIT ?)",
        (before, limit),
    )
    return bool(cursor.rowcount == limit)
