"""Which worker holds a device's socket. PostgreSQL only; the newest connection wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from onepush_core.store.transaction import Transaction


class Former(NamedTuple):
    """The connection that a device had before."""

    worker: int
    connection: int


def hold(transaction: Transaction, worker: int, connections: Mapping[int, int]) -> dict[int, Former]:
    """This worker holds these devices (key to connection); what other workers held of them until now."""
    devices = sorted(connections)
    rows = transaction.rows(
        "INSERT INTO presence(device, worker, connection)"
        " SELECT device, ?, connection FROM unnest(?::bigint[], ?::bigint[]) AS new(device, connection)"
        " ORDER BY device ON CONFLICT (device) DO UPDATE SET"
        " former_worker = presence.worker, former_connection = presence.connection,"
        " worker = excluded.worker, connection = excluded.connection"
        " RETURNING device, former_worker, former_connection",
        (worker, devices, [connections[device] for device in devices]),
    )
    return {
        device: Former(former, connection)
        for device, former, connection in rows
        if former is not None and former != worker
    }


def hold_again(transaction: Transaction, worker: int, connections: Mapping[int, int]) -> list[int]:
    """Those of these devices (key to connection) that are this worker's, or nobody's and so its by now.

    Not those that were unregistered meanwhile.
    """
    devices = sorted(connections)
    transaction.execute(
        "INSERT INTO presence(device, worker, connection)"
        " SELECT device, ?, connection FROM unnest(?::bigint[], ?::bigint[]) AS old(device, connection)"
        " JOIN device d ON d.key = old.device AND d.active = 1 ORDER BY device ON CONFLICT DO NOTHING",
        (worker, devices, [connections[device] for device in devices]),
    )
    return [device for device, holder in holders(transaction, devices).items() if holder == worker]


def let_go(transaction: Transaction, worker: int, connections: Mapping[int, int]) -> None:
    """This worker holds these devices (key to connection) no longer; newer connections stay.

    One that another worker is just taking over needs no letting go, and is not waited for.
    """
    devices = sorted(connections)
    transaction.execute(
        "DELETE FROM presence WHERE device IN (SELECT p.device FROM presence p"
        " JOIN unnest(?::bigint[], ?::bigint[]) AS old(device, connection) ON p.device = old.device"
        " WHERE p.worker = ? AND p.connection <= old.connection FOR UPDATE OF p SKIP LOCKED)",
        (devices, [connections[device] for device in devices], worker),
    )


def holders(transaction: Transaction, devices: Sequence[int]) -> dict[int, int]:
    """Which worker holds which of these devices."""
    rows = transaction.rows(
        "SELECT device, worker FROM presence WHERE device IN KEYS ?", (transaction.keys(devices),)
    )
    return dict(rows)
