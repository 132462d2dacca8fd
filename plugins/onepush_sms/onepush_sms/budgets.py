"""Budgets: counted in the store, in the transaction that decides on an SMS.

Each counter is raised by one conditional statement, never by reading and then writing, so that no
number of callers or processes gets one over the limit.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from onepush_core import Transaction
from onepush_sms.settings import AppSettings

WHOLE_APP = ""
KEPT = 2 * 86_400_000


class Counter(NamedTuple):
    """One budget: of an app or one of its numbers (a digest), for a day or an hour."""

    subject: str
    period: str
    limit: int
    name: str


def counters(settings: AppSettings, zone: ZoneInfo, number: str, at: int) -> list[Counter]:
    """The counters that an SMS to this number (a digest) at this time (ms) falls under. Pure.

    Days and hours are those of the calendar in the app's time zone. Always in the same order, so
    that two transactions cannot wait for each other.
    """
    moment = datetime.fromtimestamp(at / 1000, zone)
    day = f"{moment:%Y-%m-%d}"
    # The offset keeps apart the two hours that bear one name when the clock is set back.
    hour = f"{moment:%Y-%m-%dT%H%z}"
    found = (
        (WHOLE_APP, day, settings.daily_budget, "daily budget"),
        (number, hour, settings.number_hourly_budget, "hourly budget of the number"),
        (number, day, settings.number_daily_budget, "daily budget of the number"),
    )
    return [
        Counter(subject, period, limit, name) for subject, period, limit, name in found if limit is not None
    ]


def charge(transaction: Transaction, app: int, counted: list[Counter], segments: int, now: int) -> str | None:
    """Take the segments from every budget, or from none: the name of the one that has too little left."""
    for index, counter in enumerate(counted):
        if not _raise(transaction, app, counter, segments, now):
            give_back(transaction, app, counted[:index], segments)
            return counter.name
    return None


def give_back(transaction: Transaction, app: int, counted: list[Counter], segments: int) -> None:
    """Undo a charge."""
    for counter in counted:
        transaction.execute(
            "UPDATE sms_budget SET used = used - ? WHERE app = ? AND subject = ? AND period = ?"
            " AND used >= ?",
            (segments, app, counter.subject, counter.period, segments),
        )


def _raise(transaction: Transaction, app: int, counter: Counter, segments: int, now: int) -> bool:
    key = (app, counter.subject, counter.period)
    transaction.execute(
        "INSERT INTO sms_budget(app, subject, period, used, ends_at) VALUES (?, ?, ?, 0, ?)"
        " ON CONFLICT DO NOTHING",
        (*key, now + KEPT),
    )
    raised = transaction.execute(
        "UPDATE sms_budget SET used = used + ? WHERE app = ? AND subject = ? AND period = ?"
        " AND used + ? <= ?",
        (segments, *key, segments, counter.limit),
    )
    return bool(raised.rowcount)
