"""Look-up: what has to be looked up in the ledger before its devices are offered more. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from onepush_core.objects import Message
from onepush_core.store.due import Due

Opened = list[tuple[Message, list[Due]]]
"""Deliveries that are open, by message, the oldest first."""


class LookUp:
    """Collects what is asked, so that the ledger is read once for all of it.

    ``messages``: those whose bodies are known already, by key. ``latest``: the last one that is asked for.
    ``cleared``: devices that miss nothing once they have been looked up.
    """

    def __init__(self) -> None:
        self.messages: dict[int, Message] = {}
        self.latest = 0
        self.cleared: set[int] = set()
        self._until: dict[int, int] = {}
        self._again: set[tuple[int, int, int]] = set()

    def __bool__(self) -> bool:
        return bool(self._until)

    def __contains__(self, device: int) -> bool:
        return device in self._until

    def devices(self) -> list[int]:
        """All devices that are asked for, ascending."""
        return sorted(self._until)

    def repeated(self) -> list[int]:
        """Messages of which something is asked that was offered before, ascending."""
        return sorted({message for message, _, _ in self._again})

    def add(self, message: int, devices: Iterable[int]) -> None:
        """First deliveries: all that these devices have not had, up to this message."""
        self.latest = max(self.latest, message)
        for device in devices:
            self._until[device] = max(message, self._until.get(device, 0))

    def add_again(self, message: int, attempts: Mapping[int, int]) -> None:
        """The same, and this message for whom (to attempts) it was offered so often before."""
        self.add(message, attempts)
        self._again.update((message, device, count) for device, count in attempts.items() if count)

    def has_asked_for(self, one: Due) -> bool:
        """Whether this delivery is meant."""
        device = one.device
        if not device.attempts:
            return one.message <= self._until[device.key]
        return (one.message, device.key, device.attempts) in self._again
