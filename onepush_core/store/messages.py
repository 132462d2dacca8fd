"""Messages: stored at acceptance, read back by whoever dispatches them, ended."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from onepush_core.objects import App, Message, MessageState
from onepush_core.store.counters import COUNTS, write_counted
from onepush_core.store.transaction import Row, Transaction

COLUMNS = "m.key, m.body, app.key, app.id, app.name"
SOURCE = "message m JOIN app ON app.key = m.app"


_decoder = msgspec.json.Decoder(Message)


def insert_message(transaction: Transaction, message: Message) -> int:
    """Store an accepted message; returns its key."""
    row = transaction.row(
        "INSERT INTO message(id, app, accepted_at, expires_at, state, body)"
        " VALUES (?, ?, ?, ?, 0, ?) RETURNING key",
        (
            message.id,
            message.app.key,
            message.accepted_at,
            message.expires_at,
            msgspec.json.encode(message).decode(),
        ),
    )
    assert row is not None
    key: int = row[0]
    return key


def decode(row: Row) -> Message:
    """A row of COLUMNS as a Message."""
    key, body, *app = row
    return msgspec.structs.replace(_decoder.decode(body), key=key, app=App(*app))


def find_messages(transaction: Transaction, keys: Sequence[int]) -> dict[int, Message]:
    """Those of these messages that there are, by key."""
    if not keys:
        return {}
    rows = transaction.rows(
        f"SELECT {COLUMNS} FROM {SOURCE} WHERE m.key IN KEYS ?", (transaction.keys(keys),)
    )
    return {message.key: message for message in map(decode, rows)}


def key_of(transaction: Transaction, message_id: str) -> int | None:
    """The key of the message with this id."""
    row = transaction.row("SELECT key FROM message WHERE id = ?", (message_id,))
    return row[0] if row else None


def find_by_public_id(transaction: Transaction, message_id: str) -> Message | None:
    """The message with this id, whatever its app."""
    row = transaction.row(f"SELECT {COLUMNS} FROM {SOURCE} WHERE m.id = ?", (message_id,))
    return decode(row) if row else None


def undispatched(transaction: Transaction, app: int, after: int, limit: int) -> list[tuple[Message, int]]:
    """Messages of an app whose first round is not done, in order, each with its cursor."""
    rows = transaction.rows(
        f"SELECT m.cursor, {COLUMNS} FROM {SOURCE} WHERE m.app = ? AND m.state = 0 AND m.key > ?"
        " ORDER BY m.key LIMIT ?",
        (app, after, limit),
    )
    return [(decode(row[1:]), row[0]) for row in rows]


def apps_with_work(transaction: Transaction) -> list[int]:
    """Keys of the apps that have messages whose first round is not done."""
    return [row[0] for row in transaction.rows("SELECT DISTINCT app FROM message WHERE state = 0")]


def mark_cancelled(transaction: Transaction, message: int) -> bool:
    """False when it had ended before."""
    write_counted(transaction)
    cursor = transaction.execute(
        "UPDATE message SET state = ? WHERE key = ? AND state IN (0, 1)", (MessageState.CANCELLED, message)
    )
    return bool(cursor.rowcount)


def find_by_id(transaction: Transaction, app: int, message_id: str) -> Row | None:
    """(key, state, accepted at, expires at, body, counters…) of an app's message."""
    return transaction.row(
        f"SELECT key, state, accepted_at, expires_at, body, {', '.join(COUNTS)} FROM message"
        " WHERE id = ? AND app = ?",
        (message_id, app),
    )


def expired(transaction: Transaction, now: int, limit: int) -> list[int]:
    """Keys of open messages whose life is over, the earliest first."""
    rows = transaction.rows(
        "SELECT key FROM message WHERE finished_at IS NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?",
        (now, limit),
    )
    return [row[0] for row in rows]


def half_cancelled(transaction: Transaction) -> list[int]:
    """Keys of cancelled messages of which some deliveries are still pending."""
    rows = transaction.rows("SELECT key FROM message WHERE state = 3 AND finished_at IS NULL LIMIT 100")
    return [row[0] for row in rows]


def count_pending(transaction: Transaction) -> int:
    """How many deliveries of all messages are not final."""
    row = transaction.row(
        "SELECT coalesce(sum(total - confirmed - handed_off - expired - cancelled - dropped), 0)"
        " FROM message WHERE finished_at IS NULL"
    )
    return row[0] if row else 0
