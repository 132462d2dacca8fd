"""A bus that loses a third of what is published, or all of it, and repeats another third.

For a gateway of the tests: ``--bus lossy+redis://…`` with this plugin. ``LossyBus`` goes before any bus.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import onepush_redis

SCHEME = "lossy+redis"


class LossyBus:
    """Does what the bus does, but loses some payloads and sends some others twice; fractions of all.

    What is lost was "sent" all the same, as on a bad network.
    """

    def __init__(self, bus: Any, dice: random.Random, lose: float = 0.3, repeat: float = 0.3) -> None:
        self._bus = bus
        self._dice = dice
        self._lose = lose
        self._repeat = repeat
        self.lost = 0
        self.repeated = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    def publish(self, worker: int, payload: bytes) -> bool:
        """Hand a payload to another worker, perhaps."""
        fate = self._dice.random()
        if fate < self._lose:
            self.lost += 1
            return True
        sent: bool = self._bus.publish(worker, payload)
        if fate < self._lose + self._repeat:
            self.repeated += 1
            self._bus.publish(worker, payload)
        return sent


class LossyPlugin:
    """Offers the bus of onepush-redis, spoiled."""

    bus_schemes = (SCHEME,)

    def __init__(self, lose: float) -> None:
        self._lose = lose

    def open_bus(self, url: str, monotonic: Callable[[], float]) -> LossyBus:
        """The bus over the server whose address stands behind ``lossy+``."""
        bus = onepush_redis.create({}).open_bus(url.removeprefix("lossy+"), monotonic)
        return LossyBus(bus, random.Random(), self._lose)


def create(table: dict[str, Any]) -> LossyPlugin:
    """Make the plugin; ``lose``: the fraction of payloads that is lost."""
    return LossyPlugin(table.get("lose", 0.3))
