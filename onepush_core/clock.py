"""The clock, as something that can be handed in: what time it is, and waiting for it to pass.

Deadlines are not its business: what keeps the gateway from hanging (``gevent.Timeout``) goes by real time.
"""

from __future__ import annotations

import time

import gevent
from gevent.event import Event


class Clock:
    """Wall-clock milliseconds for what is stored, monotonic seconds for how long something took."""

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait until so many seconds have passed."""
        gevent.sleep(seconds)

    def pause(self, seconds: float, stopping: Event) -> bool:
        """The pause of a loop between two looks; True when it is to end instead."""
        return stopping.wait(seconds)
