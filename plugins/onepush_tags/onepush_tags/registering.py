"""The tags that a device brings along when it registers."""

from __future__ import annotations

from collections.abc import Callable

from onepush_core import InvalidField, Registration, Transaction
from onepush_tags.tag import problem_with

Tags = set[str]
Read = Callable[[Callable[[Transaction], Tags]], Tags]


def check_tags(registration: Registration, app: int, read: Read) -> None:
    """Refuse tags that no send could name, apart from those that the device carries already.

    It may have brought them before the plugin was there, and an app in the field is not changed quickly.
    Raises InvalidField, StoreUnavailable.
    """
    tags = registration.tags or ()
    problems = {place: problem for place, tag in enumerate(tags) if (problem := problem_with(tag))}
    if not problems:
        return
    carried = read(lambda transaction: read_carried(transaction, app, registration.token))
    for place, problem in problems.items():
        if tags[place] not in carried:
            raise InvalidField(f"tag[{place}]", problem)


def read_carried(transaction: Transaction, app: int, token: str) -> Tags:
    """The tags of the app's device with this token."""
    rows = transaction.rows(
        "SELECT t.tag FROM device d JOIN device_tag t ON t.device = d.key WHERE d.app = ? AND d.token = ?",
        (app, token),
    )
    return {row[0] for row in rows}
