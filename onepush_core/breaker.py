"""A breaker: who fails again and again is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable


class Breaker:
    """Opens after some failures in a row; pauses, then lets one call try. Pure but for the clock."""

    def __init__(
        self,
        failures: int = 5,
        pause: float = 30.0,
        longest: float = 300.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed = failures
        self._first_pause = pause
        self._longest = longest
        self._monotonic = monotonic
        self._failures = 0
        self._pause = pause
        self._open_until = 0.0

    def pause_left(self) -> float:
        """Seconds for which no call is to be made; 0 when closed."""
        return max(0.0, self._open_until - self._monotonic())

    def succeeded(self) -> None:
        """A call came back: closed."""
        self._failures = 0
        self._pause = self._first_pause

    def failed(self) -> None:
        """A call failed as a whole. Calls that were under way when it opened do not count again."""
        if self.pause_left():
            return
        self._failures += 1
        if self._failures >= self._allowed:
            self._open_until = self._monotonic() + self._pause
            self._pause = min(self._pause * 2, self._longest)
