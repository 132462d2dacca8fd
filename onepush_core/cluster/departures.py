"""Departures: devices that are not connected here any more, written to database and bus a little later."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import gevent

from onepush_core.cluster.bus import Bus
from onepush_core.cluster.claims import Claims
from onepush_core.cluster.session import Session
from onepush_core.store import presence
from onepush_core.store.engine import Engine

GRACE = 0.05
"""Seconds until what was written to a connection that closed is given to the ledger."""


class Departures:
    """Gathers them. ``record()``: wait until what was written to sockets is in the ledger."""

    def __init__(
        self,
        engine: Engine,
        session: Session,
        bus: Bus | None,
        claims: Claims,
        record: Callable[[], object],
    ) -> None:
        self._engine = engine
        self._session = session
        self._bus = bus
        self._claims = claims
        self._record = record
        self._gone: dict[int, int] = {}

    def __contains__(self, device: int) -> bool:
        return device in self._gone

    def add(self, device: int, number: int) -> None:
        """This connection of a device and all before it have ended."""
        if not self._gone:
            gevent.spawn_later(GRACE, self._write)
        self._gone[device] = max(number, self._gone.get(device, 0))

    def _write(self) -> None:
        """Once it is on record what these connections got: who reads the ledger next must not miss it.

        The same goes for what the connection before got, wherever that was.
        """
        gone, self._gone = self._gone, {}
        gevent.sleep(GRACE)
        self._record()
        early = {one: number for one, number in gone.items() if self._claims.unreleased_up_to({one: number})}
        self._give_out({one: number for one, number in gone.items() if one not in early})
        self._claims.await_released(early)
        self._give_out(early)

    def _give_out(self, gone: Mapping[int, int]) -> None:
        if not gone:
            return
        key = self._session.lease.key
        self._engine.keep(lambda transaction: presence.let_go(transaction, key, gone))
        if self._bus is not None:
            for device, number in gone.items():
                self._bus.let_go(device, number)
