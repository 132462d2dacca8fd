"""RedisBus: the bus that the core is given, put together; each life of a worker has links of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from onepush_core import BusUnavailable
from onepush_redis.address import Address
from onepush_redis.bounded import BoundedQueue
from onepush_redis.holdings import Holdings, Written
from onepush_redis.keeper import Keeper, stop_all
from onepush_redis.link import Link
from onepush_redis.listener import Echoes, Inbox, Listener
from onepush_redis.lookups import Lookups
from onepush_redis.metrics import Metrics
from onepush_redis.names import Names
from onepush_redis.presence import Presence
from onepush_redis.sender import Outgoing, Sender
from onepush_redis.settings import Settings
from onepush_redis.standing import Standing

PROBE_LIMIT = 1.8
LAST_WORDS = 0.5
"""Seconds that leaving may take."""


class Life(NamedTuple):
    """What works for one worker number."""

    sender: Sender
    listener: Listener
    presence: Presence
    keepers: tuple[Keeper, ...]


class RedisBus:
    """Bus and presence over one server. See ``onepush_core.Bus`` for what the calls mean."""

    def __init__(
        self, address: Address, settings: Settings, monotonic: Callable[[], float], metrics: Metrics
    ) -> None:
        self._address = address
        self._settings = settings
        self._monotonic = monotonic
        self._metrics = metrics
        self._names = Names(settings.prefix, address.database)
        self._holdings = Holdings()
        self._standing = Standing(0)
        self._echoes = Echoes()
        room = (settings.queue_messages, settings.queue_bytes)
        self._inbox = Inbox(BoundedQueue(*room), metrics)
        self._outgoing: BoundedQueue[Outgoing] = BoundedQueue(*room)
        self._lookups = Lookups(self._make_link, settings.pool, self._names, monotonic, metrics)
        self._life: Life | None = None
        metrics.watch(lambda: self._standing.complete)

    def _make_link(self) -> Link:
        return Link(self._address, self._settings.timeout, self._monotonic)

    # --- life --------------------------------------------------------------------------------

    def start(self, worker: int, receive: Callable[[bytes], object]) -> None:
        """Become this worker."""
        if self._life is not None:
            self._end_life(self._life)
        self._standing = self._lookups.standing = self._standing.succeed(worker)
        self._inbox.start(receive)
        self._life = self._begin_life(worker)

    def _begin_life(self, worker: int) -> Life:
        clock, metrics, names = self._monotonic, self._metrics, self._names
        beat = self._settings.heartbeat
        sender = Sender(worker, self._outgoing, names, beat, clock, metrics)
        listener = Listener(worker, names, self._inbox, self._echoes, 3 * beat)
        presence = Presence(self._holdings, self._standing, names, beat, clock, metrics)
        work = {"send": sender.work, "listen": listener.work, "presence": presence.work}
        keepers = [Keeper(name, self._make_link(), do, metrics) for name, do in work.items()]
        for keeper in keepers:
            keeper.greenlet.start()
        return Life(sender, listener, presence, tuple(keepers))

    def _end_life(self, life: Life) -> None:
        life.listener.end()
        stop_all(life.keepers)

    def close(self) -> None:
        """Leave."""
        life, self._life = self._life, None
        if life is not None:
            life.listener.end()
            life.sender.end()
            life.presence.end()
            send, listen, presence = life.keepers
            stop_all([listen])
            stop_all([send, presence], LAST_WORDS)
        self._inbox.stop()
        self._lookups.close()

    # --- words -------------------------------------------------------------------------------

    def publish(self, worker: int, payload: bytes) -> bool:
        """Hand a payload to another worker."""
        return self._life is not None and self._life.sender.put(worker, payload)

    def probe(self) -> None:
        """A round trip through the server."""
        token = os.urandom(8)
        with self._echoes.expect(token) as heard:
            if self._life is None or not self._life.sender.put(None, token) or not heard.wait(PROBE_LIMIT):
                raise BusUnavailable

    # --- presence ----------------------------------------------------------------------------

    def hold(self, device: int, connection: int, written: Written | None = None) -> None:
        """This worker holds the device's socket."""
        if self._holdings.hold(device, connection, self._monotonic(), written):
            self._note_change()

    def let_go(self, device: int, connection: int) -> None:
        """Not any more."""
        if self._holdings.let_go(device, connection):
            self._note_change()

    def _note_change(self) -> None:
        if self._life is not None:
            self._life.presence.note_change()

    def holders(self, devices: Sequence[int]) -> dict[int, int] | None:
        """Which worker holds which of these devices."""
        return self._lookups.holders(devices)

    def expect(self, workers: Iterable[int]) -> None:
        """The workers that live, by the database."""
        self._standing.expect(workers)

    def forget(self, worker: int) -> None:
        """This worker is dead or has left."""
        self._standing.forget(worker)
        if self._life is not None:
            self._life.presence.beat_soon()
