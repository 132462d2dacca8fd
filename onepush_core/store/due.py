"""Deliveries that come due: claimed in small batches by whoever runs the next round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from onepush_core.objects import DeliveryState, Device
from onepush_core.store.deliveries import end_devices
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


def claim_due(transaction: Transaction, now: int, lease_until: int, limit: int, holder: int) -> list[Due]:
    """Take up to ``limit`` deliveries that are due for ``holder``; until ``lease_until`` nobody else will.

    Those of devices that were unregistered or changed hands are cancelled: another process may have been
    adding one just then.
    """
    claimed = transaction.rows(
        "UPDATE delivery SET due = ?, holder = ? WHERE (message, device) IN"
        " (SELECT message, device FROM delivery WHERE due <= ? ORDER BY due LIMIT ? FOR UPDATE SKIP LOCKED)"
        " RETURNING message, device, asked, again, attempts",
        (lease_until, holder, now, limit),
    )
    keys = transaction.keys(sorted({row[1] for row in claimed}))
    devices = {
        row[0]: row
        for row in transaction.rows(
            f"SELECT {COLUMNS}, d.active, d.since FROM device d WHERE d.key IN KEYS ?", (keys,)
        )
    }
    found: list[Due] = []
    for message, key, asked, again, attempts in claimed:
        *device, active, since = devices[key]
        if active and since < message:
            found.append(Due(message, asked, again, Device(*[*device, attempts])))
        else:
            end_devices(transaction, message, [key], DeliveryState.CANCELLED, now)
    return found


def give_back(transaction: Transaction, rest: Sequence[Due], now: int, lease_until: int, holder: int) -> None:
    """Claimed deliveries that nobody has come to are due again."""
    transaction.execute_many(
        "UPDATE delivery SET due = ?, holder = NULL"
        " WHERE message = ? AND device = ? AND due = ? AND holder = ? AND state = 0",
        sorted((now, one.message, one.device.key, lease_until, holder) for one in rest),
    )


def open_until(transaction: Transaction, devices: Sequence[int], latest: int) -> list[Due]:
    """First deliveries that are pending for these devices, up to a message."""
    return _open(transaction, devices, "x.message <= ? AND x.attempts = 0", latest)


def open_among(transaction: Transaction, devices: Sequence[int], chosen: Sequence[int]) -> list[Due]:
    """What is pending of these messages for these devices."""
    return _open(transaction, devices, "x.message IN KEYS ?", transaction.keys(chosen))


def _open(transaction: Transaction, devices: Sequence[int], which: str, parameter: Any) -> list[Due]:
    if not devices:
        return []
    rows = transaction.rows(
        f"SELECT x.message, x.asked, x.again, {COLUMNS}, x.attempts FROM delivery x"
        " JOIN device d ON d.key = x.device AND d.active = 1 AND d.since < x.message"
        f" WHERE x.device IN KEYS ? AND x.state = 0 AND {which}",
        (transaction.keys(devices), parameter),
    )
    return [Due(key, asked, again, Device(*device)) for key, asked, again, *device in rows]


def due_first(transaction: Transaction, app: int, until: int) -> list[tuple[int, int]]:
    """Message and device of each first delivery of an app's messages that comes due by then.

    ``until``: milliseconds since the epoch.
    """
    rows = transaction.rows(
        "SELECT x.message, x.device FROM delivery x JOIN message m ON m.key = x.message"
        " WHERE x.due <= ? AND x.state = 0 AND x.attempts = 0 AND m.app = ? AND m.state IN (0, 1)",
        (until, app),
    )
    return [(message, device) for message, device in rows]


def end_leases(transaction: Transaction, now: int) -> int:
    """Make due what a process that is gone had in hand; returns how many. Only for a store of our own."""
    ended: int = transaction.execute(
        "UPDATE delivery SET due = ?, holder = NULL WHERE holder IS NOT NULL AND state = 0", (now,)
    ).rowcount
    return ended
