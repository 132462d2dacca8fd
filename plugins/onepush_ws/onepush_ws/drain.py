"""Drain: sends a device what waited for it, oldest first, before anything newer.

A few greenlets read backlogs for all connections, so that many devices coming back at once do not
all ask the store together. What comes in while a backlog is read makes it be read further: the rows
of a message are committed before it is offered, so no message falls between backlog and live.
"""

from __future__ import annotations

import gevent
import structlog
from gevent.queue import SimpleQueue

from onepush_core import Gateway
from onepush_ws.connection import DRAINING, Connection
from onepush_ws.hub import Hub

log = structlog.get_logger("onepush.ws")

PAGE = 100
"""Messages read at a time."""
RETRY = 1.0
"""Seconds until a backlog that could not be read is tried again."""


class Drain:
    """A queue of draining connections and the greenlets that work on it, a page at a time."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._waiting: SimpleQueue[tuple[Connection, int]] = SimpleQueue()
        self._greenlets: list[gevent.Greenlet[[Hub], None]] = []

    def start(self, hub: Hub, readers: int) -> None:
        """Work with so many backlog reads at a time."""
        self._greenlets = [gevent.spawn(self._work, hub) for _ in range(readers)]

    def stop(self) -> None:
        """Stop working; connections that still drain keep what they have got."""
        gevent.killall(self._greenlets, block=False)

    def add(self, connection: Connection) -> None:
        """Send a page of this connection's backlog when its turn comes. Does not wait."""
        entry = (connection, connection.turn)
        self._gateway.presence.when_alone(connection.device, lambda: self._waiting.put(entry))

    def _work(self, hub: Hub) -> None:
        for connection, turn in self._waiting:
            try:
                if turn == connection.turn:
                    self.send_page(hub, connection)
            except Exception as error:
                log.error("backlog_failed", error=type(error).__name__)
                gevent.spawn_later(RETRY, self._try_again, connection, turn)

    def _try_again(self, connection: Connection, turn: int) -> None:
        if turn == connection.turn:
            self.add(connection)

    def send_page(self, hub: Hub, connection: Connection) -> None:
        """Send the next page of a connection's backlog; the connection goes live after an empty one."""
        if connection.state != DRAINING:
            return
        connection.dirty = False
        turn = connection.turn
        page = self._gateway.backlog(connection.device, after=connection.cursor, limit=PAGE)
        if connection.turn != turn:
            return  # it may be another person's by now, or be sent elsewhere
        for message in page:
            if connection.state != DRAINING:
                return
            if connection.queue:
                connection.parked = True  # a slow reader's backlog stays in the store
                return
            if message.key != connection.unfinished:
                hub.send_backlog(connection, message)
            connection.cursor = message.key
        if connection.state != DRAINING:
            return
        if page or connection.dirty:
            self.add(connection)
        else:
            connection.go_live()
