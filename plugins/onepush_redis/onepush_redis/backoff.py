"""How long to wait before the next attempt to connect. Pure but for the dice."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Pauses that double up to the longest, each cut by up to a half, so that workers come one by one."""

    def __init__(
        self, first: float = 0.05, longest: float = 2.0, dice: Callable[[], float] = random.random
    ) -> None:
        self._first = first
        self._longest = longest
        self._dice = dice
        self._next = first

    def pause(self) -> float:
        """Seconds to wait now."""
        pause, self._next = self._next, min(self._next * 2, self._longest)
        return pause * (1 - self._dice() / 2)

    def reset(self) -> None:
        """It went well for a while."""
        self._next = self._first
