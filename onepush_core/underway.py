"""Underway: what is being offered to connections of this worker, for whoever must not offer it as well.

First deliveries come from a lane of this worker, from other workers, and late from the ledger. Who reads in
the ledger what is still open waits meanwhile, and another one may offer just that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from typing import NamedTuple

import gevent
from gevent.event import Event


class Offer(NamedTuple):
    """Devices of a message (keys). ``done``: set when its outcomes have been handed to the ledger."""

    message: int
    devices: Sequence[int]
    done: Event


class Watch:
    """All that is offered while it is kept, and what was under way when it began."""

    def __init__(self) -> None:
        self._offered: dict[int, set[int]] = {}

    def add(self, offer: Offer) -> None:
        """This is offered."""
        self._offered.setdefault(offer.message, set()).update(offer.devices)

    def offered(self, message: int) -> Set[int]:
        """To which devices this message was offered."""
        return self._offered.get(message, frozenset())


class Underway:
    """Keeps the offers that are under way."""

    def __init__(self) -> None:
        self._offers: dict[Event, Offer] = {}
        self._watches: list[Watch] = []

    @contextmanager
    def offering(self, message: int, devices: Sequence[int]) -> Iterator[None]:
        """These are offered within, and what came of it is handed to the ledger."""
        offer = Offer(message, devices, Event())
        self._offers[offer.done] = offer
        for watch in self._watches:
            watch.add(offer)
        try:
            yield
        finally:
            del self._offers[offer.done]
            offer.done.set()

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        """Notice what is offered from now on."""
        watch = Watch()
        for offer in self._offers.values():
            watch.add(offer)
        self._watches.append(watch)
        try:
            yield watch
        finally:
            self._watches.remove(watch)

    def settle(self, patience: float) -> None:
        """Wait until what is being offered now is handed to the ledger."""
        gevent.wait(list(self._offers), timeout=patience)
