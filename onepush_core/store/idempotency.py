"""Which request an Idempotency-Key stood for."""

from __future__ import annotations

from onepush_core.errors import IdempotencyMismatch
from onepush_core.store.transaction import Transaction

LIFE = 24 * 3600 * 1000


def find_replay(transaction: Transaction, app: int, key: str, digest: bytes, now: int) -> str | None:
    """The id that was answered for this key within 24 h. Raises IdempotencyMismatch for another body."""
    row = transaction.row("SELECT digest, message, at FROM idempotency WHERE app = ? AND key = ?", (app, key))
    if row is None:
        return None
    if row[2] <= now - LIFE:
        transaction.execute("DELETE FROM idempotency WHERE app = ? AND key = ?", (app, key))
        return None
    if bytes(row[0]) != digest:
        raise IdempotencyMismatch()
    message: str = row[1]
    return message


def remember(transaction: Transaction, app: int, key: str, digest: bytes, message: str, now: int) -> None:
    """This key stands for this message from now on."""
    transaction.execute(
        "INSERT INTO idempotency(app, key, digest, message, at) VALUES (?, ?, ?, ?, ?)",
        (app, key, digest, message, now),
    )
