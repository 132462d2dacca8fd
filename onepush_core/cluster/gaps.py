"""Gaps: what has come in from other workers, and of which devices something may be missing. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

REMEMBERED = 1000
"""Numbers of a sender that are remembered, to tell a repetition from what came late."""
APPS = 10_000
"""Apps whose place is remembered."""
DOUBT = 60.0
"""Seconds after a gap in which a device may miss something; what was lost comes due sooner."""


class Numbers:
    """What has come in from one sender."""

    def __init__(self) -> None:
        self._next = 1
        self._seen: deque[int] = deque(maxlen=REMEMBERED)

    def take(self, number: int) -> bool | None:
        """True: the next one in order. False: others are missing, or it is late. None: a repetition."""
        if number < self._next and number in self._seen:
            return None
        self._seen.append(number)
        in_order = number == self._next
        self._next = max(self._next, number + 1)
        return in_order


class Giver(NamedTuple):
    """Who hands over the messages of an app: a worker, and how often the lane had changed hands by then."""

    worker: int
    term: int


class Place(NamedTuple):
    """How far the first deliveries of an app have come here: from whom, and up to which message."""

    giver: Giver
    message: int


class Places:
    """Where each app stands."""

    def __init__(self) -> None:
        self._known: dict[int, Place] = {}

    def advance(self, app: int, giver: Giver, message: int) -> bool:
        """Go on to this page; False where something else may have to go before it."""
        before = self._known.get(app)
        if before is None and len(self._known) >= APPS:
            del self._known[next(iter(self._known))]
        latest = before.message if before else 0
        self._known[app] = Place(giver, max(latest, message))
        return before is not None and before.giver == giver and before.message <= message

    def is_newest(self, app: int, message: int) -> bool:
        """Whether nothing that was handed over before is of a later message."""
        before = self._known.get(app)
        return before is None or before.message <= message

    def changes_hands(self, app: int, giver: Giver) -> bool:
        """Whether another one handed over the app's messages before, or may have."""
        before = self._known.get(app)
        return before is None or before.giver != giver

    def pass_by(self, app: int, message: int) -> None:
        """This message was delivered beside the order: it is not the next one any more."""
        before = self._known.get(app)
        if before is not None and before.message <= message:
            self._known[app] = Place(before.giver, message + 1)


class Doubt:
    """After a gap each device may miss something: it is looked up once before it is handed more.

    Times are seconds.
    """

    def __init__(self) -> None:
        self._until = 0.0
        # For each app until when it has a doubt of its own, and its devices that have been looked up since.
        self._apps: dict[int, tuple[float, set[int]]] = {}

    def begin(self, now: float, app: int | None = None) -> None:
        """Something is missing, and nobody knows whose it is. ``app``: one of its messages, if so."""
        if app is None:
            self._until = now + DOUBT
            self._apps.clear()
        else:
            self._apps[app] = (now + DOUBT, set())

    def suspects(self, app: int, devices: Sequence[int], now: float) -> list[int]:
        """Those of these devices of an app that have to be looked up."""
        until, cleared = self._apps.get(app, (0.0, ()))
        if now < max(until, self._until):
            return [device for device in devices if device not in cleared]
        self._apps.pop(app, None)
        if now >= self._until:
            self._until = 0.0
        return []

    def clear(self, app: int, devices: Iterable[int]) -> None:
        """These devices of an app have been looked up."""
        if not self._until and app not in self._apps:
            return
        _, cleared = self._apps.setdefault(app, (0.0, set()))
        cleared.update(devices)
