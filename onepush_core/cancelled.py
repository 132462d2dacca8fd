"""Messages that were cancelled while they may still be on their way."""

from __future__ import annotations

from onepush_core.clock import Clock

LONGEST_LIFE = 259_200_000
"""Milliseconds that a message can live."""


class Cancelled:
    """Their keys, each remembered for as long as a message lives at the most."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[int, int] = {}

    def add(self, key: int) -> None:
        """This message was cancelled just now."""
        now = self._clock.now()
        self._until = {one: until for one, until in self._until.items() if until > now}
        self._until[key] = now + LONGEST_LIFE

    def __contains__(self, key: int) -> bool:
        return key in self._until
