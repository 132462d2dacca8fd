"""The table ``sms``: one row for each person and message, which is the right to one call.

Every change is an insert guarded by a unique index or an update of a row that was locked when it was read,
so that of two processes one has the row and the other knows it.
"""

from __future__ import annotations

import enum
import json
from typing import NamedTuple

from onepush_core import Message, Transaction
from onepush_sms.numbers import digest
from onepush_sms.people import Person


class State(enum.IntEnum):
    """CALLING: decided, the call may be out. RETRY: surely not sent, goes again. All others are final."""

    CALLING = 0
    ACCEPTED = 1
    RETRY = 2
    AMBIGUOUS = 3
    REFUSED = 4
    DROPPED = 5
    SKIPPED = 6


class Row(NamedTuple):
    """One SMS. ``number``: a digest; ``devices``: their keys as JSON; times in milliseconds."""

    key: int
    number: str
    devices: str
    state: int
    segments: int
    attempts: int
    called_at: int
    due: int | None
    reason: str | None


FIND = (
    f"SELECT {', '.join(Row._fields)} FROM sms WHERE message = ? AND (number = ? OR alias IN ({{}}))"  # noqa: S608
    " ORDER BY CASE WHEN number = ? THEN 0 ELSE 1 END, key LIMIT 1 FOR UPDATE"
)


class Rows:
    """The rows of one message, in one transaction at one time."""

    def __init__(self, transaction: Transaction, message: Message, provider: str, now: int) -> None:
        self.transaction = transaction
        self.message = message
        self.now = now
        self._provider = provider

    def digest_of(self, person: Person) -> str:
        """By what the person's number is remembered."""
        return digest(self.message.app.id, "number", person.number.e164)

    def _aliases(self, person: Person) -> list[str]:
        return [digest(self.message.app.id, "alias", alias) for alias in person.aliases]

    def find(self, person: Person) -> Row | None:
        """The row of the number, or of one of the aliases, which may have had another number then."""
        number, aliases = self.digest_of(person), self._aliases(person)
        statement = FIND.format(", ".join("?" * len(aliases)))
        found = self.transaction.row(statement, (self.message.key, number, *aliases, number))
        return Row(*found) if found else None

    def add(self, person: Person, state: State, segments: int = 0, reason: str | None = None) -> int | None:
        """A new row's key; None: somebody else was faster."""
        found = self.transaction.row(
            "INSERT INTO sms(app, message, number, alias, devices, state, segments, attempts, called_at,"
            " provider, reason) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)"
            " ON CONFLICT DO NOTHING RETURNING key",
            (
                self.message.app.key,
                self.message.key,
                self.digest_of(person),
                self._aliases(person)[0],
                json.dumps(person.devices),
                state,
                segments,
                self.now,
                self._provider,
                reason,
            ),
        )
        return found[0] if found else None

    def claim(self, row: Row, person: Person, segments: int) -> int | None:
        """Take the right to call once more; the row's key, None: somebody else was faster."""
        claimed = self.transaction.execute(
            "UPDATE sms SET state = ?, attempts = attempts + 1, called_at = ?, segments = ?, due = NULL,"
            " number = ? WHERE key = ? AND state = ? AND attempts = ?",
            (
                *(State.CALLING, self.now, segments, self.digest_of(person)),
                *(row.key, State.RETRY, row.attempts),
            ),
        )
        return row.key if claimed.rowcount else None

    def end(self, row: Row, state: State, reason: str) -> None:
        """Give a row its final state without a call."""
        self.transaction.execute(
            "UPDATE sms SET state = ?, due = NULL, reason = ? WHERE key = ? AND state = ?",
            (state, reason, row.key, row.state),
        )

    def settle(self, row: Row, state: State, reason: str, reference: str | None, due: int | None) -> None:
        """Write down what became of the call."""
        self.transaction.execute(
            "UPDATE sms SET state = ?, due = ?, reason = ?, reference = ? WHERE key = ? AND state = ?",
            (state, due, reason, reference, row.key, State.CALLING),
        )

    def add_devices(self, row: Row, person: Person) -> None:
        """Remember devices that came later, so that a delivery report stands in their trail too."""
        known = json.loads(row.devices)
        if set(person.devices) <= set(known):
            return
        devices = json.dumps(sorted({*known, *person.devices}))
        self.transaction.execute("UPDATE sms SET devices = ? WHERE key = ?", (devices, row.key))
