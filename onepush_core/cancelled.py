"""Messages that were cancelled while they may still be on their way."""

from __future__ import annotations

REMEMBERED = 100_000
"""Messages that are remembered: what is on its way was read from the ledger seconds ago."""


class Cancelled:
    """The keys of those that were cancelled last."""

    def __init__(self) -> None:
        self._keys: dict[int, None] = {}

    def add(self, key: int) -> None:
        """This message was cancelled just now."""
        if len(self._keys) >= REMEMBERED:
            del self._keys[next(iter(self._keys))]
        self._keys[key] = None

    def __contains__(self, key: int) -> bool:
        return key in self._keys
