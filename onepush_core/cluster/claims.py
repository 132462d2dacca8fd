"""Claims: connections of this worker that were announced, until nobody else has what they took over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import gevent
from gevent.event import Event

LONGEST = 30.0
"""Seconds for which it may record what the device got; it answers, or is given up, long before."""


class Claim:
    """One connection of a device.

    ``known``: the bus tells others of it. ``written``: all know. ``released``: the connection before is
    closed, and what it got is on record. ``clear``: the same, or this one is closed, too.
    """

    __slots__ = ("clear", "known", "number", "released", "written")

    def __init__(self, number: int) -> None:
        self.number = number
        self.known = Event()
        self.written = Event()
        self.released = Event()
        self.clear = Event()


class Claims:
    """The newest claim of each device, and all that are not released. ``released(device)``: one is."""

    def __init__(self, released: Callable[[int], object]) -> None:
        self._tell = released
        self._newest: dict[int, Claim] = {}
        self._unreleased: dict[int, list[Claim]] = {}

    @property
    def unreleased(self) -> Mapping[int, object]:
        """Devices that others may still have."""
        return self._unreleased

    def begin(self, device: int, number: int, shared: Claim | None) -> Claim:
        """The claim of a new connection. ``shared``: one that is not written yet speaks for it as well."""
        claim = shared
        if claim is None:
            claim = Claim(number)
            self._unreleased.setdefault(device, []).append(claim)
        claim.number = number
        self._newest[device] = claim
        return claim

    def doubt(self, held: Mapping[int, int]) -> dict[int, Claim]:
        """New claims of these connections (device to number), which are to be cleared."""
        claims = {device: Claim(number) for device, number in held.items()}
        self._newest.update(claims)
        return claims

    def note_known(self, device: int, number: int) -> None:
        """The bus tells others of this connection, and so of no earlier one."""
        for claim in self.unreleased_up_to({device: number}):
            claim.known.set()

    def drop(self, device: int) -> None:
        """Nothing of this device is here."""
        claim = self._newest.pop(device, None)
        if claim is not None:
            claim.known.set()
            claim.clear.set()

    def when_clear(self, device: int, callback: Callable[[], object]) -> None:
        """Call back when the newest claim is clear, maybe at once."""
        claim = self._newest.get(device)
        if claim is None or claim.clear.is_set():
            self._newest.pop(device, None)
            callback()
        else:
            claim.clear.rawlink(lambda _: callback())

    def is_clear(self, device: int) -> bool:
        """Whether it is by now."""
        claim = self._newest.get(device)
        return claim is None or claim.clear.is_set()

    def release_after_earlier(self, device: int, claim: Claim) -> None:
        """Nobody else has the device any more when that holds for its earlier connections here, too."""
        earlier = [one for one in self._unreleased.get(device, ()) if one.number < claim.number]
        if earlier:
            earlier[-1].released.rawlink(lambda _: self.release(device, claim))
        else:
            self.release(device, claim)

    def release(self, device: int, claim: Claim) -> None:
        """Nobody else has the device any more."""
        left = [one for one in self._unreleased.pop(device, ()) if one is not claim]
        if left:
            self._unreleased[device] = left
        self._tell(device)
        claim.released.set()
        claim.clear.set()

    def unreleased_up_to(self, connections: Mapping[int, int]) -> list[Claim]:
        """Of these connections (device to number) or earlier ones."""
        return [
            claim
            for device, number in connections.items()
            for claim in self._unreleased.get(device, ())
            if claim.number <= number
        ]

    def await_released(self, connections: Mapping[int, int]) -> None:
        """Wait until nobody else has what these connections (device to number) or earlier ones took over."""
        gevent.wait([one.released for one in self.unreleased_up_to(connections)], timeout=LONGEST)


def clear(claims: Iterable[Claim]) -> None:
    """Backlogs may be read."""
    for claim in claims:
        claim.clear.set()
