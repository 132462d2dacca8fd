"""TcpProxy: stands between a client and a server, and plays a bad network."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer

CHUNK = 65_536


class TcpProxy:
    """Passes bytes on to ``target``, a port of this machine. Its own port stays the same.

    ``mute``: on connections on which a client says this from now on, answers vanish.
    ``delay``: seconds by which each chunk is late. ``pass_on``: cleared, bytes wait (a wedged server).
    ``swallow``: bytes vanish, and connections stay open (a broken link). ``refuse``: new connections are
    closed at once.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self._sockets: set[Any] = set()
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self.delay = 0.0
        self.swallow = False
        self.mute: bytes | None = None
        self._muted: set[Any] = set()
        self.refuse = False
        self.pass_on = Event()
        self.pass_on.set()
        self.connections = 0
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.port: int = self._server.server_port

    def _serve(self, client: Any, _: object) -> None:
        self.connections += 1
        if self.refuse:
            client.close()
            return
        server = socket.create_connection(("127.0.0.1", self.target))
        self._sockets |= {client, server}
        back = gevent.spawn(self._pump, server, client)
        self._greenlets.append(back)
        self._pump(client, server)
        back.join()

    def _pump(self, source: Any, sink: Any) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                self.pass_on.wait()
                if self.delay:
                    gevent.sleep(self.delay)
                if self.mute is not None and self.mute in data:
                    self._muted.add(source)
                if not self.swallow and sink not in self._muted:
                    sink.sendall(data)
        self._close(source)
        self._close(sink)

    def _close(self, one: Any) -> None:
        self._sockets.discard(one)
        self._muted.discard(one)
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()

    def cut(self) -> None:
        """Close all connections; new ones may come."""
        for one in list(self._sockets):
            self._close(one)

    def close(self) -> None:
        """End it."""
        self.pass_on.set()
        self._server.stop()
        self.cut()
        gevent.killall(self._greenlets, timeout=1.0)
