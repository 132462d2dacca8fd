"""Devices: registered, found by id, by alias and page by page, unregistered."""

from __future__ import annotations

from collections.abc import Sequence

from onepush_core.objects import Device, Registration
from onepush_core.store.deliveries import cancel_device
from onepush_core.store.transaction import Row, Transaction

COLUMNS = "d.key, d.id, d.app, d.alias, d.platform, d.token, d.vendor, d.mobile, d.tenant, d.gone"
LAST_MESSAGE = "(SELECT coalesce(max(key), 0) FROM message)"


def register(
    transaction: Transaction, app: int, new: Registration, device_id: str, now: int
) -> tuple[str, int, bool]:
    """Insert a device, or update the one with this token: its id, its key, whether it changed hands.

    A device that changes hands (alias, tenant or platform) or comes back leaves its queue and tags
    behind: what was meant for the person before is cancelled. ``since`` keeps it out of messages that were
    accepted earlier.
    """
    old = transaction.row(
        "SELECT key, id, alias, tenant, platform, active FROM device WHERE app = ? AND token = ? FOR UPDATE",
        (app, new.token),
    )
    if old is None:
        key = _insert(transaction, app, new, device_id, now)
        _replace_tags(transaction, app, key, new.tags or (), known=())
        return device_id, key, False
    key, old_id, *identity, active = old
    changed = identity != [new.alias, new.tenant, new.platform]
    if changed or not active:
        cancel_device(transaction, key, "registered anew", now)
        transaction.execute(f"UPDATE device SET since = {LAST_MESSAGE} WHERE key = ?", (key,))
    transaction.execute(
        "UPDATE device SET alias = ?, tenant = ?, platform = ?, vendor = ?, mobile = ?, gone = NULL,"
        " active = 1, registered_at = ? WHERE key = ?",
        (new.alias, new.tenant, new.platform, new.vendor, new.mobile, now, key),
    )
    if changed or not active or new.tags is not None:
        _replace_tags(transaction, app, key, new.tags or (), known=tags_of(transaction, key))
    return old_id, key, changed


def _insert(transaction: Transaction, app: int, new: Registration, device_id: str, now: int) -> int:
    row = transaction.row(
        "INSERT INTO device(id, app, token, alias, platform, vendor, mobile, tenant, active, since,"
        f" registered_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, {LAST_MESSAGE}, ?) RETURNING key",
        (device_id, app, new.token, new.alias, new.platform, new.vendor, new.mobile, new.tenant, now),
    )
    assert row is not None
    key: int = row[0]
    return key


def _replace_tags(
    transaction: Transaction, app: int, device: int, tags: Sequence[str], known: Sequence[str]
) -> None:
    wanted = set(tags)
    if wanted == set(known):
        return
    transaction.execute("DELETE FROM device_tag WHERE device = ?", (device,))
    transaction.execute_many(
        "INSERT INTO device_tag(app, tag, device) VALUES (?, ?, ?)",
        [(app, tag, device) for tag in sorted(wanted)],
    )


def tags_of(transaction: Transaction, device: int) -> list[str]:
    """The device's tags, sorted."""
    found = transaction.rows("SELECT tag FROM device_tag WHERE device = ? ORDER BY tag", (device,))
    return [row[0] for row in found]


def unregister(transaction: Transaction, device_id: str, now: int) -> int | None:
    """Mark a device inactive and cancel what is pending for it; its key, or None if it never was."""
    row = transaction.row("SELECT key, active FROM device WHERE id = ? FOR UPDATE", (device_id,))
    if row is None:
        return None
    key: int = row[0]
    if row[1]:
        transaction.execute("UPDATE device SET active = 0 WHERE key = ?", (key,))
        transaction.execute("DELETE FROM device_tag WHERE device = ?", (key,))
        cancel_device(transaction, key, "unregistered", now)
    return key


def find_active(transaction: Transaction, device_id: str) -> Device | None:
    """The registered device with this id, if its app is enabled."""
    row = transaction.row(
        f"SELECT {COLUMNS} FROM device d JOIN app ON app.key = d.app"
        " WHERE d.id = ? AND d.active = 1 AND app.enabled = 1",
        (device_id,),
    )
    return Device(*row) if row else None


def by_alias(transaction: Transaction, app: int, alias: str, after: int, limit: int) -> list[Row]:
    """Devices of an alias, by key: the columns of a Device."""
    return transaction.rows(
        f"SELECT {COLUMNS} FROM device d WHERE d.app = ? AND d.alias = ? AND d.active = 1 AND d.key > ?"
        " ORDER BY d.key LIMIT ?",
        (app, alias, after, limit),
    )


def by_keys(transaction: Transaction, keys: Sequence[int]) -> list[Device]:
    """The devices with these keys, by key."""
    rows = transaction.rows(
        f"SELECT {COLUMNS} FROM device d WHERE d.key IN KEYS ? ORDER BY d.key", (transaction.keys(keys),)
    )
    return [Device(*row) for row in rows]


def by_tokens(transaction: Transaction, app: int, vendor: str, tokens: Sequence[str]) -> list[int]:
    """Keys of an app's active devices with these tokens of this vendor."""
    marks = ", ".join("?" * len(tokens))
    rows = transaction.rows(
        f"SELECT key FROM device WHERE app = ? AND vendor = ? AND active = 1 AND token IN ({marks})",
        (app, vendor, *tokens),
    )
    return [row[0] for row in rows]


def forget_address(transaction: Transaction, keys: Sequence[int], transport: str) -> None:
    """A transport says these addresses are dead: it is not asked for them again until they register anew."""
    transaction.execute(
        "UPDATE device SET gone = CASE WHEN gone IS NULL THEN ? ELSE gone || ',' || ? END"
        " WHERE key IN KEYS ? AND (gone IS NULL OR replace(',' || gone || ',', ',' || ? || ',', '')"
        " = ',' || gone || ',')",
        (transport, transport, transaction.keys(keys), transport),
    )
