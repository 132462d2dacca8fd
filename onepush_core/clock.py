"""The clock, as something that can be handed in."""

from __future__ import annotations

import time


class Clock:
    """Wall-clock milliseconds for what is stored, monotonic seconds for how long something took."""

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()
