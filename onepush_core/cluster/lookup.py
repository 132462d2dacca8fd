"""Look-up: what has to be looked up in the ledger before its devices are offered more. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from onepush_core.objects import Message
from onepush_core.store.due import Due

Opened = list[tuple[Message, list[Due]]]
"""Deliveries that are open, by message, the oldest first."""


class LookUp:
    """Collects what is asked, so that the ledger is read once for all of it.

    ``latest``: the last message up to which it is asked what devices have not had before. ``messages``: those
    whose bodies are known already, by key. ``cleared``: devices of each app that miss
    nothing once they have been looked up.
    """

    def __init__(self) -> None:
        self.messages: dict[int, Message] = {}
        self.cleared: dict[int, set[int]] = {}
        self._until: dict[int, int] = {}
        self._devices: set[int] = set()
        self._exactly: set[tuple[int, int, int]] = set()
        self._exact: set[int] = set()
        self.latest = 0

    def __bool__(self) -> bool:
        return bool(self._devices)

    @property
    def devices(self) -> list[int]:
        """All devices that are asked for, ascending."""
        return sorted(self._devices)

    def among(self, devices: Iterable[int]) -> set[int]:
        """Those of these devices that are asked for."""
        return self._devices.intersection(devices) if self._devices else set()

    def is_doubtful(self, device: int) -> bool:
        """Whether it is asked what this device has not had before."""
        return device in self._until

    @property
    def exact(self) -> list[int]:
        """Messages that are asked for whatever comes before them, ascending."""
        return sorted(self._exact)

    def clear(self, app: int, devices: Iterable[int]) -> None:
        """These devices of an app miss nothing afterwards."""
        self.cleared.setdefault(app, set()).update(devices)

    def doubt(self, app: int | None) -> None:
        """Something is missing, maybe of devices that are looked up no further than before it."""
        if app is None:
            self.cleared.clear()
        else:
            self.cleared.pop(app, None)

    def add(self, message: int, devices: Iterable[int]) -> None:
        """First deliveries: all that these devices have not had, up to this message."""
        for device in devices:
            self.latest = max(self.latest, message)
            self._until[device] = max(message, self._until.get(device, 0))
            self._devices.add(device)

    def add_again(self, message: int, attempts: Mapping[int, int]) -> None:
        """The same, and this message for whom (to attempts) it was offered so often before."""
        self.add(message, attempts)
        repeated = [(message, device, count) for device, count in attempts.items() if count]
        self._exactly.update(repeated)
        if repeated:
            self._exact.add(message)

    def add_only(self, message: int, devices: Collection[int]) -> None:
        """The first delivery of this message: what comes before it is on its way to these otherwise."""
        self._devices.update(devices)
        self._exactly.update((message, device, 0) for device in devices)
        if devices:
            self._exact.add(message)

    def has_asked_for(self, one: Due) -> bool:
        """Whether this delivery is meant."""
        device = one.device
        if not device.attempts and one.message <= self._until.get(device.key, 0):
            return True
        return (one.message, device.key, device.attempts) in self._exactly
