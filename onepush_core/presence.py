"""Which devices are connected to this process right now. A hint: it may be wrong for a moment."""

from __future__ import annotations

from collections.abc import Iterable


class Presence:
    """A set of device keys, kept by the transports that hold connections."""

    def __init__(self) -> None:
        self._keys: set[int] = set()

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, device: int) -> None:
        """This device is connected."""
        self._keys.add(device)

    def discard(self, device: int) -> None:
        """This device is not connected any more."""
        self._keys.discard(device)

    def online(self, devices: Iterable[int]) -> set[int]:
        """Those of the devices that are connected."""
        return self._keys.intersection(devices)
