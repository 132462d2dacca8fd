"""What the API answers about messages and devices, as plain data in the contract's words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from onepush_core.errors import InvalidField, UnknownMessage
from onepush_core.objects import DeliveryState, Device, MessageState
from onepush_core.store import deliveries, devices, messages, trail
from onepush_core.store.trail import Entry
from onepush_core.store.transaction import Row, Transaction

STATE_WORDS = {
    DeliveryState.PENDING: "pending",
    DeliveryState.CONFIRMED: "confirmed",
    DeliveryState.HANDED_OFF: "handedOff",
    DeliveryState.EXPIRED: "expired",
    DeliveryState.CANCELLED: "cancelled",
    DeliveryState.DROPPED: "dropped",
}


def timestamp(milliseconds: int) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_cursor(cursor: str | None) -> int:
    """The key to go on from. Raises InvalidField."""
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidField("cursor", "not one that was answered before")
    return int(cursor)


def message_status(transaction: Transaction, app: int, message_id: str) -> dict[str, Any]:
    """State, counts and times of a message. Raises UnknownMessage."""
    row = _find(transaction, app, message_id)
    key, state, accepted_at, expires_at, body, total, *ended = row
    counts = dict(zip(("confirmed", "handedOff", "expired", "cancelled", "dropped"), ended, strict=True))
    transient = messages.decode((key, body, app, "", "")).transient
    return {
        "requestId": message_id,
        "state": MessageState(state).name.lower(),
        "acceptedAt": timestamp(accepted_at),
        "expiresAt": timestamp(accepted_at if transient else expires_at),
        "total": total,
        "counts": {"pending": total - sum(ended), **counts},
        "transports": _transports(transaction, key),
    }


def _find(transaction: Transaction, app: int, message_id: str) -> Row:
    row = messages.find_by_id(transaction, app, message_id)
    if row is None:
        raise UnknownMessage()
    return row


def _transports(transaction: Transaction, message: int) -> dict[str, dict[str, int]]:
    rows = transaction.rows(
        "SELECT transport, sent, delivered, failed, gone FROM message_transport WHERE message = ?"
        " ORDER BY transport",
        (message,),
    )
    return {
        name: dict(zip(("sent", "delivered", "failed", "gone"), counts, strict=True))
        for name, *counts in rows
    }


def message_deliveries(
    transaction: Transaction, app: int, message_id: str, after: int, limit: int
) -> dict[str, Any]:
    """A page of a message's deliveries with their trails. Raises UnknownMessage."""
    message = _find(transaction, app, message_id)[0]
    rows = deliveries.states_of(transaction, message, after, limit)
    if not rows:
        return {"deliveries": [], "next": None}
    entries = trail.entries_of(transaction, message, [row[0] for row in rows])
    found = [_delivery(row, entries[row[0]]) for row in rows]
    return {"deliveries": found, "next": str(rows[-1][0]) if len(rows) == limit else None}


def _delivery(row: Row, entries: Iterable[Entry]) -> dict[str, Any]:
    _, device_id, alias, platform, state, attempts = row
    whose = {} if alias is None else {"alias": alias}
    return {
        "deviceId": device_id,
        **whose,
        "platform": platform,
        "state": STATE_WORDS[DeliveryState(state)],
        "attempts": attempts,
        "trail": [_entry(entry) for entry in entries],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    told = {"at": timestamp(entry.at), "transport": entry.transport, "outcome": entry.outcome}
    return told if entry.reason is None else {**told, "reason": entry.reason}


class Found(NamedTuple):
    """A device and its tags."""

    device: Device
    tags: list[str]


def device_list(transaction: Transaction, app: int, alias: str, after: int, limit: int) -> list[Found]:
    """Devices of an alias from a key on, at most ``limit``."""
    rows = devices.by_alias(transaction, app, alias, after, limit)
    return [Found(Device(*row), devices.tags_of(transaction, row[0])) for row in rows]


def device_page(found: list[Found], online: set[int], limit: int) -> dict[str, Any]:
    """A page of devices, each with whether it is connected."""
    return {
        "devices": [_device(device, tags, device.key in online) for device, tags in found],
        "next": str(found[-1].device.key) if len(found) == limit else None,
    }


def _device(device: Device, tags: list[str], online: bool) -> dict[str, Any]:
    told = {
        "deviceId": device.id,
        "alias": device.alias,
        "platform": device.platform,
        "vendor": device.vendor,
        "online": online,
        "tags": tags,
    }
    return {name: value for name, value in told.items() if value is not None}
