"""What this worker holds, and what of that is still to be written. Pure: no clock, no server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

import msgspec
import structlog

log = structlog.get_logger("onepush.redis")
Written = Callable[[], object]


class Holding(msgspec.Struct, gc=False):
    """A device's socket. ``since``: monotonic seconds. ``written``: to be called when all can know."""

    connection: int
    since: float
    written: Written | None = None


Change = tuple[int, Holding | None]
"""A device, and how it is held; None: let go."""


class Holdings:
    """Devices held, and the devices that changed, the oldest change first."""

    def __init__(self) -> None:
        self._held: dict[int, Holding] = {}
        self._changed: dict[int, int] = {}
        self._number = 0

    def __len__(self) -> int:
        return len(self._held)

    @property
    def unwritten(self) -> int:
        """Devices whose change is not yet known to be written."""
        return len(self._changed)

    def hold(self, device: int, connection: int, since: float, written: Written | None = None) -> bool:
        """Hold a device; an older connection than the one that is known changes nothing."""
        known = self._held.get(device)
        if known is not None and known.connection >= connection:
            if known.connection > connection or written is None:
                return False
            since = known.since
        self._held[device] = Holding(connection, since, written)
        self._note(device)
        return True

    def let_go(self, device: int, connection: int) -> bool:
        """Hold it no more, if it is this connection that is known."""
        known = self._held.get(device)
        if known is None or known.connection != connection:
            return False
        del self._held[device]
        self._note(device)
        return True

    def _note(self, device: int) -> None:
        """It changed; one that has changed before and is not written yet keeps its place."""
        self._number += 1
        self._changed.setdefault(device, self._number)

    def write_all_anew(self) -> int:
        """Nothing of it is known to be written any more. The number of the last change up to here."""
        for device in self._held:
            self._note(device)
        return self._number

    def is_written(self, number: int) -> bool:
        """Whether all changes up to this number are written."""
        return next(iter(self._changed.values()), number + 1) > number

    def changes(self, most: int) -> list[Change]:
        """The oldest changes; they stay until ``confirm``."""
        return [(device, self._held.get(device)) for device in islice(self._changed, most)]

    def confirm(self, changes: Iterable[Change]) -> None:
        """These are written; what has changed again since then stays to be written."""
        for device, holding in changes:
            if self._held.get(device) is not holding:
                continue
            self._changed.pop(device, None)
            if holding is not None and holding.written is not None:
                tell, holding.written = holding.written, None
                _call(tell)


def _call(tell: Written) -> None:
    try:
        tell()
    except Exception as error:
        log.error("callback_failed", error=type(error).__name__)
