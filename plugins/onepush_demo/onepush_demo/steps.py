"""What all journeys consist of: steps, each with the time that it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Step(NamedTuple):
    """One thing that happened, and how long it took in seconds."""

    what: str
    took: float


class Journey(NamedTuple):
    """A heading, and the steps below it, each an item when it has happened. They raise JourneyFailed."""

    title: str
    steps: Iterator[Step]


class Stopwatch:
    """Measures steps. Reset it when a step begins: between two of them the screen is busy."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._began = clock()

    def reset(self) -> None:
        """A step begins now."""
        self._began = self._clock()

    def step(self, what: str) -> Step:
        """What has happened since the last reset."""
        return Step(what, self._clock() - self._began)
