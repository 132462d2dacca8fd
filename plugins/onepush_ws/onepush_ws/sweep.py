"""Sweep: pings silent connections, drops dead ones, cuts off late goodbyes. One greenlet for all.

A connection belongs to one of N buckets by its file descriptor; each tick pings one bucket and
looks at the one pinged ``ping_timeout`` before. So there is no timer and no list per connection.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import gevent
import structlog

from onepush_ws import sockets
from onepush_ws.connection import CLOSING, Connection
from onepush_ws.hub import Hub
from onepush_ws.protocol import PING_FRAME
from onepush_ws.reader import Reader
from onepush_ws.settings import Settings

log = structlog.get_logger("onepush.ws")

TICK = 0.25
"""Seconds between two ticks, or less when the ping interval is short."""
_MIN_BUCKETS = 4


class Sweep:
    """``start`` spawns the greenlet; ``tick`` is one step of it."""

    def __init__(self, hub: Hub, reader: Reader, settings: Settings) -> None:
        self._hub = hub
        self._reader = reader
        self._buckets = max(_MIN_BUCKETS, round(settings.ping_interval / TICK))
        self.pause = settings.ping_interval / self._buckets
        self._patience = math.ceil(settings.ping_timeout / self.pause)
        self._turn = 0
        self._greenlet: gevent.Greenlet[[], None] | None = None

    def start(self) -> None:
        """Begin to sweep."""
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Stop sweeping."""
        if self._greenlet is not None:
            self._greenlet.kill(block=False)

    def _run(self) -> None:
        while True:
            gevent.sleep(self.pause)
            try:
                self.tick()
            except Exception as error:
                log.error("sweep_failed", error=type(error).__name__)

    def tick(self) -> None:
        """Look at the bucket pinged a timeout ago, ping the next one."""
        self._hub.drop_late()
        for connection in self._bucket(self._turn - self._patience):
            if connection.awaiting:
                self._judge(connection)
        for connection in self._bucket(self._turn):
            self._ping(connection)
        self._turn += 1

    def _bucket(self, turn: int) -> Iterator[Connection]:
        connections = self._hub.sockets
        highest = max(connections, default=-1)
        for fd in range(turn % self._buckets, highest + 1, self._buckets):
            connection = connections.get(fd)
            if connection is not None and connection.state < CLOSING:
                yield connection

    def _ping(self, connection: Connection) -> None:
        """Ask for a sign of life. Behind a queue a ping would come late; there, progress is the sign."""
        connection.settle()
        connection.awaiting = True
        connection.acked = sockets.bytes_acked(connection.fd)
        if connection.queue is None:
            self._hub.send(connection, PING_FRAME)

    def _judge(self, connection: Connection) -> None:
        """Drop a connection that stayed silent, unless the delay is ours or its line is just slow."""
        self._reader.read(connection)
        if connection.awaiting and connection.state < CLOSING and not self._progresses(connection):
            self._hub.drop(connection)

    def _progresses(self, connection: Connection) -> bool:
        """True when the peer took bytes since the ping, and more than the ping are still under way."""
        acked = sockets.bytes_acked(connection.fd)
        return acked > connection.acked and sockets.bytes_unacked(connection.fd) > 0
