"""A message's counters, collected while a batch runs and written once for each message at its end.

Many jobs of a batch count for the same message, and so do many workers. A row that is written last, and in
the order of the keys, is locked for a moment only, and no two workers wait for each other in a circle.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from onepush_core.store.transaction import Transaction

COUNTS = ("total", "confirmed", "handed_off", "expired", "cancelled", "dropped")
ANSWERS = ("sent", "delivered", "failed", "gone")
PLACES = {name: place for place, name in enumerate(COUNTS)}
HANDED_OFF = PLACES["handed_off"]
COUNTED, ANSWERED = "counted", "answered"
PENDING = "total - confirmed - handed_off - expired - cancelled - dropped + ?"
# A message that was dispatched (state 1) or cancelled (3) has ended when nothing is pending. What comes
# after that brings it back: a page that was inserted while another process cancelled it.
WRITE_COUNTS = (
    f"UPDATE message SET {', '.join(f'{name} = {name} + ?' for name in COUNTS)},"
    " cursor = GREATEST(cursor, ?),"
    f" finished_at = CASE WHEN GREATEST(state, ?) > 0 AND {PENDING} = 0 THEN coalesce(finished_at, ?) END,"
    f" state = CASE WHEN GREATEST(state, ?) = 1 AND {PENDING} = 0 THEN 2 WHEN state = 0 THEN ?"
    " ELSE state END WHERE key = ?"
)
WRITE_ANSWERS = (
    f"INSERT INTO message_transport(message, transport, {', '.join(ANSWERS)}) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT(message, transport) DO UPDATE SET "
    + ", ".join(f"{name} = message_transport.{name} + excluded.{name}" for name in ANSWERS)
)


class Counted:
    """What a batch has counted for one message so far: changes in the order of COUNTS, and how far it is."""

    __slots__ = ("changes", "cursor", "dispatched", "now")

    def __init__(self) -> None:
        self.changes = [0] * len(COUNTS)
        self.cursor = 0
        self.dispatched = 0
        self.now = 0

    def parameters(self, message: int) -> tuple[Any, ...]:
        """For WRITE_COUNTS."""
        total, *ended = self.changes
        pending, dispatched = total - sum(ended), self.dispatched
        last = (self.cursor, dispatched, pending, self.now, dispatched, pending, dispatched, message)
        return (total, *ended, *last)


def grow(transaction: Transaction, message: int, added: int) -> None:
    """So many deliveries were added, and are pending."""
    _counted(transaction, message, 0).changes[0] += added


def count(transaction: Transaction, message: int, now: int, **changes: int) -> None:
    """Add to the message's counters; it is finished when nothing is pending any more."""
    counted = _counted(transaction, message, now).changes
    for name, change in changes.items():
        counted[PLACES[name]] += change


def advance(
    transaction: Transaction, message: int, now: int, handed_off: int, cursor: int | None, dispatched: bool
) -> None:
    """Count what a round has handed off, and note how far the first round has come."""
    if not (handed_off or dispatched or cursor is not None):
        return
    counted = _counted(transaction, message, now)
    counted.changes[HANDED_OFF] += handed_off
    counted.dispatched |= dispatched
    if cursor is not None and cursor > counted.cursor:
        counted.cursor = cursor


def finish(transaction: Transaction, message: int, now: int) -> None:
    """Mark the message as ended when its first round is done and nothing is pending."""
    _counted(transaction, message, now)


def count_answers(transaction: Transaction, message: int, transport: str, answers: Counter[str]) -> None:
    """Add to what a transport has answered for a message; ``answers`` is kept."""
    collected: dict[tuple[int, str], Counter[str]] = _collected(transaction, ANSWERED)
    known = collected.setdefault((message, transport), answers)
    if known is not answers:
        known.update(answers)


def write_counted(transaction: Transaction) -> None:
    """Write what was collected; the engine has this called before the commit."""
    # One statement for all that is counted: two would each go through the rows from the first to the last.
    counts = [
        counted.parameters(message) for message, counted in sorted(transaction.notes.pop(COUNTED, {}).items())
    ]
    answers = [
        (message, transport, *[found[name] for name in ANSWERS])
        for (message, transport), found in sorted(transaction.notes.pop(ANSWERED, {}).items())
    ]
    for statement, rows in ((WRITE_COUNTS, counts), (WRITE_ANSWERS, answers)):
        if rows:
            transaction.execute_many(statement, rows)


def _counted(transaction: Transaction, message: int, now: int) -> Counted:
    collected: dict[int, Counted] = _collected(transaction, COUNTED)
    counted = collected.get(message)
    if counted is None:
        counted = collected[message] = Counted()
    if now > counted.now:
        counted.now = now
    return counted


def _collected(transaction: Transaction, kind: str) -> dict[Any, Any]:
    collected: dict[Any, Any] | None = transaction.notes.get(kind)
    if collected is None:
        collected = transaction.notes[kind] = {}
        transaction.before_commit(write_counted)
    return collected
