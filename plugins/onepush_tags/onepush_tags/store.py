"""Which device carries which tag: jobs on a Transaction, for the gateway's ``read`` and ``write``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from onepush_core import Transaction
from onepush_tags.tag import MAX_PER_DEVICE


class Tagged(NamedTuple):
    """What a bulk call did: devices found, newly tagged, and left out because they carry too many tags."""

    matched: int
    added: int
    full: int


def replace_tags(transaction: Transaction, app: int, device_id: str, tags: Sequence[str]) -> bool:
    """Give a registered device exactly these tags; False when the app has no such device."""
    row = transaction.row("SELECT key FROM device WHERE app = ? AND id = ? AND active = 1", (app, device_id))
    if row is None:
        return False
    transaction.execute("DELETE FROM device_tag WHERE device = ?", row)
    transaction.execute_many(
        "INSERT INTO device_tag(app, tag, device) VALUES (?, ?, ?)",
        [(app, tag, row[0]) for tag in sorted(tags)],
    )
    return True


def tag_devices(transaction: Transaction, app: int, tag: str, column: str, names: Sequence[str]) -> Tagged:
    """Add a tag to the app's registered devices whose ``column`` (alias or id) is one of ``names``."""
    marks = ", ".join("?" * len(names))
    meant = f"FROM device d WHERE d.app = ? AND d.active = 1 AND d.{column} IN ({marks})"
    with_tag = "EXISTS (SELECT 1 FROM device_tag t WHERE t.app = ? AND t.tag = ? AND t.device = d.key)"
    before = _count(transaction, f"SELECT count(*) {meant} AND {with_tag}", (app, *names, app, tag))
    transaction.execute(
        f"INSERT INTO device_tag(app, tag, device) SELECT d.app, ?, d.key {meant} AND NOT {with_tag}"  # noqa: S608
        " AND (SELECT count(*) FROM device_tag o WHERE o.device = d.key) < ?",
        (tag, app, *names, app, tag, MAX_PER_DEVICE),
    )
    after = _count(transaction, f"SELECT count(*) {meant} AND {with_tag}", (app, *names, app, tag))
    matched = _count(transaction, f"SELECT count(*) {meant}", (app, *names))
    return Tagged(matched, after - before, matched - after)


def count_tags(transaction: Transaction, app: int, after: str, limit: int) -> list[tuple[str, int]]:
    """Tags after this one, ascending, each with the number of devices that carry it.

    The core takes the tags from a device that unregisters.
    """
    rows = transaction.rows(
        "SELECT tag, count(*) FROM device_tag WHERE app = ? AND tag > ? GROUP BY tag ORDER BY tag LIMIT ?",
        (app, after, limit),
    )
    return [(tag, count) for tag, count in rows]


def _count(transaction: Transaction, statement: str, parameters: Sequence[object]) -> int:
    row = transaction.row(statement, parameters)
    assert row is not None
    count: int = row[0]
    return count
