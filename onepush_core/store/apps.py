"""Apps and their keys. A key is stored as its SHA-256 only: 256 random bits need no slow hash."""

from __future__ import annotations

from onepush_core.objects import App
from onepush_core.store.transaction import Row, Transaction

LIVE_KEYS = 2


def insert_app(transaction: Transaction, app_id: str, name: str, digest: str, now: int) -> None:
    """A new app with its first key."""
    transaction.execute(
        "INSERT INTO app(id, name, enabled, created_at) VALUES (?, ?, 1, ?)", (app_id, name, now)
    )
    add_key(transaction, app_id, digest, now)


def add_key(transaction: Transaction, app_id: str, digest: str, now: int) -> bool:
    """A further live key; the oldest beyond two dies. False: no such app."""
    found = transaction.row("SELECT key FROM app WHERE id = ? FOR UPDATE", (app_id,))
    if found is None:
        return False
    transaction.execute(
        "INSERT INTO app_key(app, digest, created_at) VALUES (?, ?, ?)", (found[0], digest, now)
    )
    transaction.execute(
        "DELETE FROM app_key WHERE app = ? AND key NOT IN"
        " (SELECT key FROM app_key WHERE app = ? ORDER BY key DESC LIMIT ?)",
        (found[0], found[0], LIVE_KEYS),
    )
    return True


def find_app(transaction: Transaction, app_id: str) -> tuple[App, bool, int] | None:
    """(app, enabled, created at) or None."""
    row = transaction.row("SELECT key, id, name, enabled, created_at FROM app WHERE id = ?", (app_id,))
    return row and (App(row[0], row[1], row[2]), bool(row[3]), row[4])


def app_by_key(transaction: Transaction, key: int) -> App:
    """The app with this key, which must exist."""
    row = transaction.row("SELECT key, id, name FROM app WHERE key = ?", (key,))
    assert row is not None
    return App(*row)


def live_digests(transaction: Transaction, app_key: int) -> list[str]:
    """The digests of the app's live keys."""
    return [row[0] for row in transaction.rows("SELECT digest FROM app_key WHERE app = ?", (app_key,))]


def all_apps(transaction: Transaction) -> list[Row]:
    """(id, name, enabled, created at) of every app, oldest first."""
    return transaction.rows("SELECT id, name, enabled, created_at FROM app ORDER BY key")


def set_enabled(transaction: Transaction, app_id: str, enabled: bool) -> bool:
    """False: no such app."""
    cursor = transaction.execute("UPDATE app SET enabled = ? WHERE id = ?", (int(enabled), app_id))
    return bool(cursor.rowcount)


def disabled_apps(transaction: Transaction) -> list[int]:
    """Keys of the apps that are switched off."""
    return [row[0] for row in transaction.rows("SELECT key FROM app WHERE enabled = 0")]
