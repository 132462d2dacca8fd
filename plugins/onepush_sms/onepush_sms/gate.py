"""The gate of one app: shut while its account is out of order, or its provider does not answer.

Pure but for the clock. After the pause one SMS goes through as a probe; what becomes of it opens the
gate or shuts it again.
"""

from __future__ import annotations

from collections.abc import Callable

from onepush_sms.objects import Verdict

ACCOUNT_PAUSE = 300.0
FAILURES = 5
FIRST_PAUSE = 30.0
LONGEST_PAUSE = 300.0
PROBE = 30.0
"""Seconds that a probe may take before the next one is let through."""


class Gate:
    """``monotonic``: seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._shut_until = 0.0
        self._closed = False
        self._probe_out = False
        self.account_problem = False

    def wait(self) -> float:
        """Seconds until it is worth while to come again; 0: come in."""
        return max(0.0, self._shut_until - self._monotonic())

    def enter(self) -> bool:
        """Whether this SMS may go now. While a probe is under way nobody else may."""
        if self.wait():
            return False
        if self._closed:
            self._probe_out = True
            self._shut_until = self._monotonic() + PROBE
        return True

    def passed(self, verdict: Verdict) -> bool:
        """Take in what became of an SMS; True when that has shut the gate."""
        if verdict is Verdict.ACCOUNT:
            return self._shut_for_account()
        if verdict in (Verdict.UNREACHABLE, Verdict.AMBIGUOUS):
            return self._failed()
        if verdict is not Verdict.LATER:
            self._open()
        return False

    def _shut_for_account(self) -> bool:
        news = not self.account_problem or self._probe_out
        self.account_problem = True
        self._shut(ACCOUNT_PAUSE)
        return news

    def _failed(self) -> bool:
        # A call that went out before the gate was shut says nothing new.
        if self._closed and not self._probe_out:
            return False
        self._failures += 1
        if self._failures < FAILURES and not self._probe_out:
            return False
        self._shut(self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        return True

    def _shut(self, pause: float) -> None:
        self._closed, self._probe_out = True, False
        self._shut_until = self._monotonic() + pause

    def _open(self) -> None:
        self._failures, self._pause, self._shut_until = 0, FIRST_PAUSE, 0.0
        self._closed = self._probe_out = self.account_problem = False
