"""Credentials and what they have used up today; OPPO counts its days in UTC+8."""

from __future__ import annotations

from typing import Protocol

import structlog

from onepush_oppo.settings import Credentials

log = structlog.get_logger("onepush.oppo")
DAY = 86_400_000
UTC_PLUS_8 = 8 * 3_600_000
SKEW = 600_000
"""By so much OPPO lets a clock differ from its own (document 11234)."""


class Clock(Protocol):
    """What is used of the gateway's clock."""

    def now(self) -> int:
        """Milliseconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""


def until_midnight(now: int) -> float:
    """Seconds until the day ends in UTC+8, where OPPO counts its days."""
    return (DAY - (now + UTC_PLUS_8) % DAY) / 1000


def until_reopening(now: int) -> float:
    """Seconds until credentials whose quota is used up are worth another call.

    Early in our day OPPO's day before may not be over: a clock a second ahead must not cost a day.
    """
    since = (now + UTC_PLUS_8) % DAY
    return (SKEW - since) / 1000 if since < SKEW else until_midnight(now)


class Account:
    """Credentials, and what they have used up today.

    ``table``: where they stand in the settings. ``quota``: messages a day, 0 when nobody knows.
    """

    def __init__(self, credentials: Credentials, table: str, quota: int, clock: Clock) -> None:
        self.credentials = credentials
        self._table = table
        self._quota = quota
        self._clock = clock
        self._closed_until = 0
        self._day = 0
        self._used = 0
        self._complaints: set[int] = set()

    def pause_left(self) -> float:
        """Seconds until midnight UTC+8 when today's quota is used up, else 0."""
        return max(0.0, (self._closed_until - self._clock.now()) / 1000)

    def close_for_today(self, code: int, reason: str) -> None:
        """OPPO takes no more today."""
        if self.pause_left():
            return
        now = self._clock.now()
        self._closed_until = now + round(until_reopening(now) * 1000)
        log.error("oppo_closed_until_midnight", table=self._table, code=code, meaning=reason, zone="UTC+8")

    def use(self, number: int) -> None:
        """OPPO took so many messages."""
        today = (self._clock.now() + UTC_PLUS_8) // DAY
        if today != self._day:
            self._day, self._used = today, 0
        self._used += number
        self._complaints.clear()

    def quota_left(self) -> float:
        """What is left of today's quota; NaN when nobody knows the quota."""
        if not self._quota:
            return float("nan")
        if self.pause_left():
            return 0.0
        today = (self._clock.now() + UTC_PLUS_8) // DAY
        return float(max(0, self._quota - (self._used if today == self._day else 0)))

    def complain(self, code: int, reason: str) -> None:
        """Say loudly what the operator has to put right: once, until OPPO takes something again."""
        if code not in self._complaints:
            self._complaints.add(code)
            log.error("oppo_refuses_us", table=self._table, code=code, meaning=reason)
