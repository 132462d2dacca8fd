"""The trail: who was asked for which devices, what came of it, when and why.

One row covers all devices of a call that got the same answer; their keys are packed beside it.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple

from onepush_core.store.transaction import Transaction

OURSELVES = "onepush"
MAX_REASON = 500
"""Characters of a reason that are kept."""


class Entry(NamedTuple):
    """One thing that happened to some devices of a message."""

    devices: Sequence[int]
    at: int
    transport: str
    outcome: str
    reason: str | None


def add_entry(transaction: Transaction, message: int, entry: Entry) -> None:
    """Write one entry; ``entry.devices`` is not empty."""
    packed = array("q", sorted(entry.devices))
    transaction.execute(
        "INSERT INTO trail(message, low, high, at, transport, outcome, reason, devices)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            message,
            packed[0],
            packed[-1],
            entry.at,
            entry.transport,
            entry.outcome,
            _storable(entry.reason),
            packed.tobytes() if len(packed) > 1 else None,
        ),
    )


def entries_of(transaction: Transaction, message: int, devices: Sequence[int]) -> dict[int, list[Entry]]:
    """The entries of each of these devices (ascending keys), oldest first."""
    found: dict[int, list[Entry]] = {key: [] for key in devices}
    rows = transaction.rows(
        "SELECT low, at, transport, outcome, reason, devices FROM trail"
        " WHERE message = ? AND low <= ? AND high >= ? ORDER BY at, key",
        (message, devices[-1], devices[0]),
    )
    for low, at, transport, outcome, reason, packed in rows:
        keys = _unpack(packed) if packed is not None else (low,)
        for key in found.keys() & set(keys):
            found[key].append(Entry((key,), at, transport, outcome, reason))
    return found


def _storable(reason: str | None) -> str | None:
    """What a plugin said, without what no database takes: it may quote anybody."""
    if reason is None:
        return None
    return reason[:MAX_REASON].replace("\0", "?").encode(errors="replace").decode()


def _unpack(packed: bytes) -> array[int]:
    keys = array("q")
    keys.frombytes(packed)
    return keys
