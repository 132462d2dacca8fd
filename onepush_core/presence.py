"""Which devices are connected to this process right now. A hint: it may be wrong for a moment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

import gevent
import structlog

from onepush_core.errors import OnepushError

log = structlog.get_logger("onepush.presence")
RECENT = 30.0
"""Seconds after which what a connection got is on record."""
GRACE = 0.02
"""Seconds in which transports report what they have written."""
AGAIN = 0.5


class Registry(Protocol):
    """Lets other workers know who is connected here."""

    def announce(self, device: int) -> None:
        """This device is about to connect; waits until they know."""

    def add(self, device: int) -> None:
        """This device is connected."""

    def discard(self, device: int) -> None:
        """This device is not connected any more."""

    def renounce(self, device: int) -> None:
        """This device was announced and does not come."""

    def when_alone(self, device: int, callback: Callable[[], object]) -> None:
        """Call back when the device is connected to no other worker any more."""


class Presence:
    """Device keys, kept by the transports that hold connections.

    ``record()``: wait until what was handed to connections is in the ledger. Raises StoreUnavailable.
    ``registry``: told of each change.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        record: Callable[[], object],
        registry: Registry | None = None,
    ) -> None:
        self._keys: set[int] = set()
        self._monotonic = monotonic
        self._record = record
        self._registry = registry
        self._left: OrderedDict[int, float] = OrderedDict()
        self._returned: set[int] = set()
        self._waiting: list[tuple[int, Callable[[], object]]] = []

    def __len__(self) -> int:
        return len(self._keys)

    def announce(self, device: int) -> None:
        """This device is about to connect, and will believe this connection to be its newest.

        Waits until all workers know; follow with ``add`` or ``renounce``. Raises StoreUnavailable.
        """
        if self._registry is None:
            return
        if device in self._keys:  # what its connection of so far has got must be on record first
            self._returned.add(device)
        self._registry.announce(device)

    def add(self, device: int) -> None:
        """This device is connected."""
        if device in self._keys or self._left.pop(device, 0.0) > self._monotonic() - RECENT:
            self._returned.add(device)
        self._keys.add(device)
        if self._registry is not None:
            self._registry.add(device)

    def discard(self, device: int) -> None:
        """This device is not connected any more."""
        if device in self._keys:
            self._keys.discard(device)
            self._returned.discard(device)
            self._remember(device)
        if self._registry is not None:
            self._registry.discard(device)

    def renounce(self, device: int) -> None:
        """This device was announced and does not come; an older connection of it stays, or is told to go."""
        if self._registry is None:
            return
        if device in self._keys:  # the older connection goes on from the backlog
            self._returned.add(device)
        self._registry.renounce(device)

    def _remember(self, device: int) -> None:
        now = self._monotonic()
        self._left[device] = now
        while next(iter(self._left.values())) < now - RECENT:
            self._left.popitem(last=False)

    def when_alone(self, device: int, callback: Callable[[], object]) -> None:
        """Call back when the device's backlog can be read, maybe at once.

        That is when no other connection of the device gets anything any more, here or at another worker, and
        what they got is on record.
        """
        here = partial(self._when_recorded, device, callback)
        if self._registry is None:
            here()
        else:
            self._registry.when_alone(device, here)

    def _when_recorded(self, device: int, callback: Callable[[], object]) -> None:
        if device not in self._returned:
            callback()
            return
        if not self._waiting:
            gevent.spawn(self._await_record)
        self._waiting.append((device, callback))

    def _await_record(self) -> None:
        """For all that have returned by now."""
        gevent.sleep(GRACE)
        waiting, self._waiting = self._waiting, []
        while True:
            try:
                self._record()
                break
            except OnepushError as error:
                log.warning("returns_wait", error=type(error).__name__)
                gevent.sleep(AGAIN)
        for device, callback in waiting:
            self._returned.discard(device)
            callback()

    def online(self, devices: Iterable[int]) -> set[int]:
        """Those of the devices that are connected to this process."""
        return self._keys.intersection(devices)
