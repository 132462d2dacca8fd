"""How often OPPO was asked in vain for a device of a message, and when to ask again."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

LIMIT = 8
LONGEST_GAP = 300.0
REMEMBERED = 200_000


def gap_after(failures: int, first: float) -> float:
    """Seconds to wait after so many failures: doubling, five minutes at most."""
    return min(first * 2.0 ** (failures - 1), LONGEST_GAP)


class Attempts:
    """Counts failed calls by message and device.

    In memory: a restart gives a message its attempts anew. The core's own count will not do, as it
    has the frames on sockets in it, and the times the breaker kept a call from being made.
    """

    def __init__(self, first_gap: float, spread: random.Random | None = None) -> None:
        self._first_gap = first_gap
        self._spread = spread or random.Random()  # noqa: S311  # only spreads load
        self._failures: dict[tuple[int, int], int] = {}

    def failed(
        self, message: int, devices: Sequence[int], wish: float = 0.0
    ) -> dict[float | None, list[int]]:
        """The devices by the seconds they are to wait; None: that was the last attempt.

        ``wish``: what the other side asked for. One spread for the whole call keeps its devices together.
        """
        factor = self._spread.uniform(0.8, 1.2)
        waits: dict[float | None, list[int]] = {}
        for device in devices:
            failures = self._count((message, device))
            wait = max(wish, gap_after(failures, self._first_gap) * factor) if failures < LIMIT else None
            waits.setdefault(wait, []).append(device)
        return waits

    def _count(self, pair: tuple[int, int]) -> int:
        """One more failure; how many that makes."""
        failures = self._failures.pop(pair, 0) + 1
        if failures < LIMIT:
            self._failures[pair] = failures
        if len(self._failures) > REMEMBERED:
            del self._failures[next(iter(self._failures))]
        return failures

    def settled(self, message: int, devices: Iterable[int]) -> None:
        """OPPO gave an answer that ends the matter."""
        if self._failures:
            for device in devices:
                self._failures.pop((message, device), None)
