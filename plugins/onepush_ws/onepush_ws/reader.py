"""Reader: what devices send. ``CFM:<message id>`` confirms, ``HBT…`` asks for a sign of life."""

from __future__ import annotations

import os

import structlog

from onepush_core import Gateway
from onepush_ws.connection import CLOSING, Connection
from onepush_ws.hub import Hub
from onepush_ws.inbox import Inbox, Received
from onepush_ws.poller import WRITABLE
from onepush_ws.protocol import HEARTBEAT_ANSWER, CloseCode, short_text
from onepush_ws.reports import TRANSPORT

log = structlog.get_logger("onepush.ws")

_READ_SIZE = 8192
_CONFIRM = "CFM:"
_HEARTBEAT = "HBT"
_MAX_ID = 64


class Reader:
    """Takes in the bytes of ready sockets. Runs in gevent's hub: nothing here waits."""

    def __init__(self, hub: Hub, gateway: Gateway) -> None:
        self._hub = hub
        self._gateway = gateway

    def on_ready(self, fd: int, events: int) -> None:
        """A socket has bytes, room, an end or an error."""
        connection = self._hub.sockets.get(fd)
        if connection is None:
            return
        try:
            if events & WRITABLE:
                self._hub.flush(connection)
            if events & ~WRITABLE and self._hub.sockets.get(fd) is connection:
                self.read(connection)
        except Exception as error:
            log.error("connection_failed", error=type(error).__name__)
            self._hub.drop(connection, CloseCode.INTERNAL_ERROR)

    def read(self, connection: Connection) -> None:
        """Read once; drops the connection at its end."""
        try:
            data = os.read(connection.fd, _READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.receive(connection, data)
        else:
            self._hub.drop(connection)

    def receive(self, connection: Connection, data: bytes) -> None:
        """Take in bytes of a client."""
        connection.awaiting = False
        if connection.state >= CLOSING:
            self._hear_out(connection, data)
            return
        start = texts = 0
        if connection.inbox is None:
            start, texts = self._take_short_texts(connection, data)
        controls = 0
        if start < len(data) and connection.state < CLOSING:
            received = self._take_unusual(connection, data[start:])
            texts += len(received.texts)
            controls = received.controls
        if not connection.spend(texts, controls, self._gateway.clock.monotonic()):
            self._hub.close(connection, CloseCode.POLICY_VIOLATION, "too many frames")

    def _take_short_texts(self, connection: Connection, data: bytes) -> tuple[int, int]:
        """The short text frames that ``data`` begins with: where they end, and how many there are."""
        start = count = 0
        while frame := short_text(data, start):
            text, start = frame
            count += 1
            self._take_text(connection, text)
        return start, count

    def _take_unusual(self, connection: Connection, data: bytes) -> Received:
        inbox = connection.inbox or Inbox()
        received = inbox.receive(data)
        connection.inbox = None if inbox.idle else inbox
        for text in received.texts:
            self._take_text(connection, text)
        if received.pongs and connection.state < CLOSING:
            self._hub.send(connection, received.pongs)
        if received.closing is not None:
            self._hub.close(connection, received.closing.code, frame=received.closing.frame)
        return received

    def _hear_out(self, connection: Connection, data: bytes) -> None:
        """A closing client may still confirm what it got before."""
        start = 0
        while connection.state == CLOSING and (frame := short_text(data, start)):
            text, start = frame
            if text.startswith(_CONFIRM):
                self._take_text(connection, text)

    def _take_text(self, connection: Connection, text: str) -> None:
        if text.startswith(_CONFIRM) and 0 < len(text) - len(_CONFIRM) <= _MAX_ID:
            self._hub.metrics.confirms.inc()
            self._gateway.confirm(TRANSPORT, text.removeprefix(_CONFIRM), connection.device)
        elif text.startswith(_HEARTBEAT):
            self._hub.send(connection, HEARTBEAT_ANSWER)
        else:
            self._hub.metrics.ignored.inc()
