"""Deliveries: one row for each message and device, and every change of one.

Each change moves the message's counters in the same transaction, so that at any moment
total = confirmed + handed off + expired + cancelled + dropped + pending.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, NamedTuple

from onepush_core.objects import DeliveryState, MessageState
from onepush_core.store import counters, messages
from onepush_core.store.trail import OURSELVES, Entry, add_entry
from onepush_core.store.transaction import Row, Transaction

FOREVER = 2**62
MINE = "again = 0 OR due IS NULL OR holder = ? OR due IN KEYS ?"
NOTHING = -1


class Due(enum.Enum):
    """When a delivery that stays pending comes up again.

    AT: at ``Change.due``, or never by itself. RESEND: on the resend schedule, but at ``Change.due``
    at the latest. KEEP: as it stands.
    """

    AT = 1
    RESEND = 2
    KEEP = 3


class Change(NamedTuple):
    """What one answer of one transport means for some deliveries of a message.

    ``state``: HANDED_OFF, or PENDING (nothing final). ``attempt``: it was handed to the transport.
    ``asked``/``again``: the transport's bit, to be set, or 0. ``due``: milliseconds since the epoch.
    ``lease``: the worker works on it until ``due``; its end ends the lease (``end_leases``, ``reap``).
    ``span``: the devices (ascending) are all those between the first and the last that are pending.
    ``untouched``: only where no other worker has recorded something since it was offered. ``own``: times that
    this round has written before. Where a transport repeats the message, ``due`` and ``lease`` hold only if
    one of these stands there, the worker's claim, or nothing: not if the device has got it meanwhile.
    """

    devices: Sequence[int]
    state: DeliveryState = DeliveryState.PENDING
    attempt: bool = True
    asked: int = 0
    again: int = 0
    rule: Due = Due.AT
    due: int | None = None
    span: bool = False
    lease: bool = False
    untouched: bool = False
    own: Sequence[int] | None = None


class Elsewhere(NamedTuple):
    """Devices whose connections other workers than this one hold come due at this time: see HANDED_OVER."""

    worker: int
    due: int


HELD_BY_OTHERS = (
    "CASE WHEN EXISTS (SELECT 1 FROM presence p WHERE p.device = device.key AND p.worker <> ?)"
    " THEN CAST(? AS BIGINT) END"
)


def insert_page(
    transaction: Transaction, message: int, devices: Sequence[int], elsewhere: Elsewhere | None = None
) -> tuple[list[int], int]:
    """Add pending deliveries; (the devices that are really to be offered, how many were added now).

    A device that was unregistered meanwhile is left out, and so are all when the message was
    cancelled. After a crash the page may have been added before: only those not yet handled count.
    """
    if not devices:
        return [], 0
    which, keys = _which(transaction, "key", devices)
    # Set now, so that this worker has no need to write to rows that the others write to.
    due, values = ("NULL", ()) if elsewhere is None else (HELD_BY_OTHERS, tuple(elsewhere))
    added = transaction.execute(
        "INSERT INTO delivery(message, device, state, attempts, asked, again, due)"
        f" SELECT ?, key, 0, 0, 0, 0, {due} FROM device WHERE {which} AND +active = 1 AND since < ?"
        " AND EXISTS (SELECT 1 FROM message WHERE key = ? AND state = 0) ON CONFLICT DO NOTHING",
        (message, *values, keys, message, message),
    ).rowcount
    if added:
        counters.grow(transaction, message, added)
    if added == len(devices):
        return list(devices), added
    rows = transaction.rows(
        f"SELECT device FROM delivery WHERE message = ? AND {_which(transaction, 'device', devices)[0]}"
        " AND state = 0 AND attempts = 0 ORDER BY device",
        (message, keys),
    )
    return [row[0] for row in rows], added


class Schedule:
    """The resend gaps as SQL: the time of the next attempt from the number of attempts so far.

    The spread of ±20 % comes from the keys, so that no two devices of a crowd come due together.
    """

    def __init__(self, gaps: Sequence[float]) -> None:
        *early, last = [round(gap * 1000) for gap in gaps]
        steps = "".join(f" WHEN attempts <= {index} THEN {gap}" for index, gap in enumerate(early))
        self.first = round(gaps[0] * 1000)
        gap = f"(CASE{steps} ELSE {last} END)" if early else f"{last}"
        self.due = f"? + {gap} * (800 + (device * 7919 + attempts * 104729 + message * 31) % 401) / 1000"


def apply_change(
    transaction: Transaction, message: int, change: Change, schedule: Schedule, now: int, worker: int
) -> int:
    """Write one change of this worker to those of its deliveries that are still pending; how many that were.

    What was handed off is still to be counted with ``counters.advance``.
    """
    if not change.devices:
        return 0
    due, values = _due_clause(change, schedule, now)
    held, holder = "CAST(? AS BIGINT)", [worker if change.lease else None]
    where, place = _devices_clause(transaction, change)
    if change.untouched:
        where += " AND (holder = ? OR (attempts = 0 AND due IS NULL))"
        place.append(worker)
    if change.own is not None and change.state is DeliveryState.PENDING:
        mine = [worker, transaction.keys(change.own)]
        due, values = f"CASE WHEN {MINE} THEN {due} ELSE due END", [*mine, *values]
        held, holder = f"CASE WHEN {MINE} THEN {held} ELSE holder END", [*mine, *holder]
    cursor = transaction.execute(
        f"UPDATE delivery SET due = {due}, state = ?, attempts = attempts + ?,"
        f" asked = asked | ?, again = again | ?, holder = {held} WHERE message = ? AND state = 0 AND {where}",
        [*values, change.state, int(change.attempt), change.asked, change.again, *holder, message, *place],
    )
    changed: int = cursor.rowcount
    return changed


def _due_clause(change: Change, schedule: Schedule, now: int) -> tuple[str, list[Any]]:
    if change.state is not DeliveryState.PENDING:
        return "NULL", []
    if change.rule is Due.KEEP:
        return "due", []
    if change.rule is Due.RESEND:
        return f"LEAST({schedule.due}, ?)", [now, FOREVER if change.due is None else change.due]
    return "CAST(? AS BIGINT)", [change.due]


def _devices_clause(transaction: Transaction, change: Change) -> tuple[str, list[object]]:
    if change.span:
        return "device BETWEEN ? AND ?", [change.devices[0], change.devices[-1]]
    where, keys = _which(transaction, "device", change.devices)
    return where, [keys]


def _which(transaction: Transaction, column: str, devices: Sequence[int]) -> tuple[str, Any]:
    """A clause for these devices and its one parameter; most sends are for one device."""
    if len(devices) == 1:
        return f"{column} = ?", devices[0]
    return f"{column} IN KEYS ?", transaction.keys(devices)


def confirm(
    transaction: Transaction, message_id: str, transport: str, devices: Sequence[int], now: int
) -> tuple[int, list[int]]:
    """Mark deliveries as confirmed; (message key, devices for which that is news).

    Only what was addressed to a device and is pending or handed off can be confirmed by it.
    """
    row = transaction.row("SELECT key FROM message WHERE id = ?", (message_id,))
    if row is None:
        return NOTHING, []
    message: int = row[0]
    pending = _confirm_from(transaction, message, DeliveryState.PENDING, devices)
    handed = _confirm_from(transaction, message, DeliveryState.HANDED_OFF, devices)
    news = pending + handed
    if news:
        add_entry(transaction, message, Entry(news, now, transport, "confirmed", None))
        counters.count(transaction, message, now, confirmed=len(news), handed_off=-len(handed))
    return message, news


def _confirm_from(
    transaction: Transaction, message: int, state: DeliveryState, devices: Sequence[int]
) -> list[int]:
    rows = transaction.rows(
        "UPDATE delivery SET state = 1, due = NULL WHERE message = ? AND state = ? AND device IN KEYS ?"
        " RETURNING device",
        (message, state, transaction.keys(devices)),
    )
    return [row[0] for row in rows]


def cancel_device(transaction: Transaction, device: int, reason: str, now: int) -> None:
    """Cancel everything that is pending for a device."""
    rows = transaction.rows(
        "UPDATE delivery SET state = ?, due = NULL WHERE device = ? AND state = 0 RETURNING message",
        (DeliveryState.CANCELLED, device),
    )
    for (message,) in rows:
        add_entry(transaction, message, Entry((device,), now, OURSELVES, "cancelled", reason))
        counters.count(transaction, message, now, cancelled=1)


def end_pending(
    transaction: Transaction, message: int, state: DeliveryState, after: int, limit: int, now: int
) -> int | None:
    """Give a page of a message's pending deliveries this final state; the key to go on from, or None."""
    rows = transaction.rows(
        "SELECT device FROM delivery WHERE message = ? AND state = 0 AND device > ? ORDER BY device LIMIT ?",
        (message, after, limit),
    )
    if rows:
        end_devices(transaction, message, [row[0] for row in rows], state, now)
    return rows[-1][0] if len(rows) == limit else None


def end_devices(
    transaction: Transaction, message: int, devices: Sequence[int], state: DeliveryState, now: int
) -> None:
    """Give those of these devices that are still pending this final state."""
    ended = transaction.execute(
        "UPDATE delivery SET state = ?, due = NULL WHERE message = ? AND state = 0 AND device IN KEYS ?",
        (state, message, transaction.keys(devices)),
    ).rowcount
    if ended:
        counters.count(transaction, message, now, **{state.name.lower(): ended})


def drop_overflow(transaction: Transaction, devices: Sequence[int], queue_limit: int, now: int) -> int:
    """Drop the oldest pending messages of devices that have more than ``queue_limit``; returns how many."""
    which, keys = _which(transaction, "key", devices)
    full = transaction.rows(
        f"SELECT key FROM device WHERE {which} AND EXISTS (SELECT 1 FROM delivery"
        " WHERE device = device.key AND state = 0 LIMIT 1 OFFSET ?)",
        (keys, queue_limit),
    )
    return sum(_drop_oldest(transaction, device, queue_limit, now) for (device,) in full)


def _drop_oldest(transaction: Transaction, device: int, queue_limit: int, now: int) -> int:
    dropped = transaction.rows(
        "UPDATE delivery SET state = ?, due = NULL WHERE device = ? AND state = 0 AND message IN"
        " (SELECT message FROM delivery WHERE device = ? AND state = 0"
        " ORDER BY message DESC LIMIT ? OFFSET ?) RETURNING message",
        (DeliveryState.DROPPED, device, device, FOREVER, queue_limit),
    )
    for (message,) in dropped:
        add_entry(transaction, message, Entry((device,), now, OURSELVES, "dropped", "queue full"))
        counters.count(transaction, message, now, dropped=1)
    return len(dropped)


def backlog(transaction: Transaction, device: int, after: int, now: int, limit: int) -> list[Row]:
    """Messages pending for a device, oldest first: rows of ``messages.COLUMNS``.

    Not those from before the device changed hands: another process may have been adding one just then.
    """
    return transaction.rows(
        f"SELECT {messages.COLUMNS} FROM {messages.SOURCE} JOIN delivery x ON x.message = m.key"
        " WHERE x.device = ? AND x.state = 0 AND x.message > ?"
        " AND x.message > (SELECT since FROM device WHERE key = ?) AND m.expires_at > ? AND m.state <> ?"
        " ORDER BY x.message LIMIT ?",
        (device, after, device, now, MessageState.CANCELLED, limit),
    )


def states_of(transaction: Transaction, message: int, after: int, limit: int) -> list[Row]:
    """Deliveries of a message by device key: (device, its id, alias, platform, state, attempts).

    The alias is None when the device belongs to somebody else by now.
    """
    return transaction.rows(
        "SELECT x.device, d.id, CASE WHEN d.since < x.message THEN d.alias END, d.platform, x.state,"
        " x.attempts FROM delivery x"
        " JOIN device d ON d.key = x.device WHERE x.message = ? AND x.device > ? ORDER BY x.device LIMIT ?",
        (message, after, limit),
    )
