"""Which device carries which tag: jobs on a Transaction, for the gateway's ``read`` and ``write``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from onepush_core import Gateway, Transaction
from onepush_tags.tag import MAX_PER_DEVICE

PAGE = 5_000
"""Devices tagged in one commit."""
NAMED = {"alias": "d.app = ? AND d.alias", "id": "+d.app = ? AND d.id"}
"""The plus sign keeps the store from reading the whole app where it can look the ids up."""


class Tagged(NamedTuple):
    """What a bulk call did: devices found, newly tagged, and left out because they carry too many tags."""

    matched: int
    added: int
    full: int


class Meant(NamedTuple):
    """Devices that a bulk call means, as a condition on ``device d``."""

    condition: str
    values: Sequence[Any]


def replace_tags(transaction: Transaction, app: int, device_id: str, tags: Sequence[str]) -> bool:
    """Give a registered device exactly these tags; False when the app has no such device."""
    row = transaction.row(
        "SELECT key FROM device WHERE app = ? AND id = ? AND active = 1 FOR UPDATE", (app, device_id)
    )
    if row is None:
        return False
    transaction.execute("DELETE FROM device_tag WHERE device = ?", row)
    transaction.execute_many(
        "INSERT INTO device_tag(app, tag, device) VALUES (?, ?, ?)",
        [(app, tag, row[0]) for tag in sorted(tags)],
    )
    return True


def tag_members(gateway: Gateway, app: int, tag: str, column: str, names: Sequence[str]) -> Tagged:
    """Add a tag to the app's registered devices whose ``column`` (alias or id) is one of ``names``.

    In commits of at most ``PAGE`` devices: an alias may have any number, and other writes wait meanwhile.
    """
    members = Meant(f"{NAMED[column]} IN ({', '.join('?' * len(names))})", (app, *names))
    total, after = Tagged(0, 0, 0), 0
    while True:
        keys = gateway.read(partial(find_members, members=members, after=after))
        if keys:
            done = gateway.write(partial(tag_devices, app=app, tag=tag, members=members, keys=keys))
            total = Tagged(*map(sum, zip(total, done, strict=True)))
        if len(keys) < PAGE:
            return total
        after = keys[-1]


def find_members(transaction: Transaction, members: Meant, after: int) -> list[int]:
    """Keys of members after this one, ascending; what else is to be known of them is asked later."""
    rows = transaction.rows(
        f"SELECT d.key FROM device d WHERE {members.condition} AND d.key > ? ORDER BY d.key LIMIT ?",  # noqa: S608
        (*members.values, after, PAGE),
    )
    return [row[0] for row in rows]


def tag_devices(transaction: Transaction, app: int, tag: str, members: Meant, keys: Sequence[int]) -> Tagged:
    """Add a tag to those of the devices that are registered members: one may have changed hands meanwhile."""
    transaction.lock_devices(keys)
    meant = f"FROM device d WHERE d.key IN KEYS ? AND d.active = 1 AND {members.condition}"
    found = (transaction.keys(keys), *members.values)
    with_tag = "EXISTS (SELECT 1 FROM device_tag t WHERE t.app = ? AND t.tag = ? AND t.device = d.key)"
    before = _count(transaction, f"SELECT count(*) {meant} AND {with_tag}", (*found, app, tag))
    transaction.execute(
        f"INSERT INTO device_tag(app, tag, device) SELECT d.app, ?, d.key {meant} AND NOT {with_tag}"  # noqa: S608
        " AND (SELECT count(*) FROM device_tag o WHERE o.device = d.key) < ?",
        (tag, *found, app, tag, MAX_PER_DEVICE),
    )
    after = _count(transaction, f"SELECT count(*) {meant} AND {with_tag}", (*found, app, tag))
    matched = _count(transaction, f"SELECT count(*) {meant}", found)
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
