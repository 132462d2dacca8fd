"""Who a person is: the devices of one alias, and those that carry one number. Looked up in the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import NamedTuple

from onepush_core import Device, Message, Transaction
from onepush_sms.numbers import Number, parse_number, spellings

SEPARATORS = " -()./\u00a0\u2011\u2013"
# The same words as in the index that the second migration makes.
BARE_MOBILE = reduce(lambda text, one: f"replace({text}, '{one}', '')", SEPARATORS, "d.mobile")
CARRIED = "SELECT 1 FROM device d JOIN delivery x ON x.message = ? AND x.device = d.key WHERE d.app = ?"
LATEST = 8
CONFIRMED, HANDED_OFF = 1, 2


class Person(NamedTuple):
    """The devices on offer of one number, and the aliases they are registered under."""

    number: Number
    aliases: list[str]
    devices: list[int]


def is_open(transaction: Transaction, message: Message, now: int) -> bool:
    """Whether the message is neither cancelled nor over."""
    return now < message.expires_at and bool(
        transaction.row("SELECT 1 FROM message WHERE key = ? AND state IN (0, 1)", (message.key,))
    )


def unreached(transaction: Transaction, message: Message, devices: Sequence[Device]) -> list[Device]:
    """Those devices for which the message is still pending: not unregistered since they were offered."""
    rows = transaction.rows(
        "SELECT device FROM delivery WHERE message = ? AND state = 0 AND device IN KEYS ?",
        (message.key, transaction.keys([device.key for device in devices])),
    )
    pending = {row[0] for row in rows}
    return [device for device in devices if device.key in pending]


def find_people(
    transaction: Transaction, message: Message, devices: Iterable[Device], region: str
) -> tuple[list[Person], list[int]]:
    """The people these devices belong to; and the devices whose alias has a mobile, but none that is valid.

    Devices of an alias without any mobile are in neither. People come in the order of their numbers,
    so that two transactions cannot wait for each other's budgets.
    """
    by_alias: dict[str, list[int]] = {}
    for device in devices:
        by_alias.setdefault(device.alias, []).append(device.key)
    people: dict[Number, Person] = {}
    invalid: list[int] = []
    for alias, keys in by_alias.items():
        mobiles = _mobiles(transaction, message, alias)
        number = next(filter(None, (parse_number(mobile, region) for mobile in mobiles)), None)
        if number is not None:
            person = people.setdefault(number, Person(number, [], []))
            person.aliases.append(alias)
            person.devices.extend(keys)
        elif mobiles:
            invalid.extend(keys)
    return [people[number] for number in sorted(people)], invalid


def _mobiles(transaction: Transaction, message: Message, alias: str) -> list[str]:
    """What the alias's devices have registered as mobile, the latest first; not those of another tenant."""
    rows = transaction.rows(
        "SELECT mobile FROM device WHERE app = ? AND alias = ? AND active = 1 AND mobile IS NOT NULL"
        " AND (tenant IS NULL OR tenant = coalesce(?, tenant)) ORDER BY registered_at DESC, key DESC LIMIT ?",
        (message.app.key, alias, message.tenant, LATEST),
    )
    return [row[0] for row in rows]


def is_reached(transaction: Transaction, message: Message, person: Person, region: str) -> bool:
    """Whether a device of the person, or one that carries the number, has the message.

    With ``needConfirm`` that is one that confirmed. A device that changed hands after acceptance
    speaks for nobody.
    """
    states = (CONFIRMED, CONFIRMED if message.need_confirm else HANDED_OFF)
    return any(
        transaction.row(
            f"{CARRIED} AND {clause} AND d.since < ? AND x.state IN (?, ?) LIMIT 1",
            (message.key, message.app.key, *values, message.key, *states),
        )
        for clause, values in _carriers(person, region)
    )


def is_unsettled(transaction: Transaction, message: Message, person: Person, region: str) -> bool:
    """Whether another device of the person may be reached in the round that is under way.

    With ``needConfirm`` any device that is not on offer with these may just have got the frame.
    """
    if transaction.row("SELECT 1 FROM message WHERE key = ? AND state = 0", (message.key,)):
        return True
    offered = transaction.keys(person.devices)
    return any(
        transaction.row(
            f"{CARRIED} AND {clause} AND x.state = 0 AND (x.attempts = 0 OR ? = 1)"
            " AND NOT d.key IN KEYS ? LIMIT 1",
            (message.key, message.app.key, *values, int(message.need_confirm), offered),
        )
        for clause, values in _carriers(person, region)
    )


def _carriers(person: Person, region: str) -> list[tuple[str, list[str]]]:
    """Conditions on ``device d`` by which the person's devices are found, each served by an index."""
    written = spellings(person.number, region)
    return [
        (f"d.alias IN ({', '.join('?' * len(person.aliases))})", person.aliases),
        (f"{BARE_MOBILE} IN ({', '.join('?' * len(written))}) AND d.mobile IS NOT NULL", written),
    ]
