"""Deliveries that come due: claimed in small batches by whoever runs the next round."""

from __future__ import annotations

from typing import NamedTuple

from onepush_core.objects import Device
from onepush_core.store.deliveries import LEASED
from onepush_core.store.devices import COLUMNS
from onepush_core.store.transaction import Transaction


class Due(NamedTuple):
    """A delivery to be offered again, and which transports have been asked for it."""

    message: int
    asked: int
    again: int
    device: Device


def next_due(transaction: Transaction) -> int | None:
    """When the earliest delivery comes due, in milliseconds since the epoch."""
    row = transaction.row("SELECT due FROM delivery WHERE due IS NOT NULL ORDER BY due LIMIT 1")
    return row[0] if row else None


def claim_due(transaction: Transaction, now: int, lease_until: int, limit: int) -> list[Due]:
    """Take up to ``limit`` deliveries that are due; until ``lease_until`` nobody else will."""
    claimed = transaction.rows(
        f"UPDATE delivery SET due = ?, asked = asked | {LEASED} WHERE (message, device) IN"
        " (SELECT message, device FROM delivery WHERE due <= ? ORDER BY due LIMIT ?)"
        " RETURNING message, device, asked, again, attempts",
        (lease_until, now, limit),
    )
    keys = transaction.keys(sorted({row[1] for row in claimed}))
    devices = {
        row[0]: row
        for row in transaction.rows(f"SELECT {COLUMNS} FROM device d WHERE d.key IN KEYS ?", (keys,))
    }
    return [
        Due(message, asked, again, Device(*[*devices[device], attempts]))
        for message, device, asked, again, attempts in claimed
    ]


def end_leases(transaction: Transaction, now: int) -> int:
    """Make due what a process that is gone had in hand; returns how many. Only for a store of our own."""
    ended: int = transaction.execute(
        f"UPDATE delivery SET due = ?, asked = asked & ~{LEASED}"
        f" WHERE due IS NOT NULL AND asked & {LEASED} <> 0",
        (now,),
    ).rowcount
    return ended
