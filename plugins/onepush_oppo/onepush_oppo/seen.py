"""Which receipts were taken in before: a table of the plugin's own."""

from __future__ import annotations

from collections.abc import Sequence

from onepush_core import Transaction


def unseen(transaction: Transaction, message: int, event: str, devices: Sequence[int]) -> list[int]:
    """Those of the devices whose event of this message is new."""
    rows = transaction.rows(
        "SELECT device FROM oppo_receipt WHERE message = ? AND event = ? AND device IN KEYS ?",
        (message, event, transaction.keys(devices)),
    )
    known = {row[0] for row in rows}
    return [device for device in devices if device not in known]


def remember(transaction: Transaction, message: int, event: str, devices: Sequence[int], now: int) -> None:
    """From now on these are known."""
    transaction.execute_many(
        "INSERT INTO oppo_receipt(message, event, device, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(message, event, device, now) for device in devices],
    )


def forget_older(transaction: Transaction, before: int, limit: int) -> bool:
    """Delete some of what was remembered before this time; True when there may be more."""
    cursor = transaction.execute(
        "DELETE FROM oppo_receipt WHERE (message, event, device) IN"
        " (SELECT message, event, device FROM oppo_receipt WHERE at < ? LIMIT ?)",
        (before, limit),
    )
    return bool(cursor.rowcount == limit)
