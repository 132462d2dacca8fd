"""The process that speaks HTTP: gunicorn's gevent worker, but when it stops it leaves nobody unanswered.

gunicorn closes its listening socket with connections still in its queue, and its kept connections end
with the process: requests on either are lost without a word, which no caller may try again by itself.
"""

from __future__ import annotations

import _socket
import fcntl
import os
import socket
import termios
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from functools import partial
from typing import Any, cast
from weakref import WeakSet

import gevent
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.workers.ggevent import GeventWorker

QUEUE = 2048
"""Connections that the kernel keeps for us at most."""
NEW_PATIENCE = 0.5
"""Seconds for which a worker that stops waits for the first request on a connection."""
KEPT_PATIENCE, KEPT_QUIET = 2.0, 0.2
"""Seconds for which it leaves kept connections open at most, and after the last request that came on one."""
ENDING = 0.3
"""Seconds that are left to end them, and to answer what has come on them by then."""
MOMENT = 0.05
"""Seconds in which what has come begins to run, and the last answer is written."""


class HttpWorker(GeventWorker):
    """gunicorn's, but for how it stops to listen. Its WSGI callable is a ``CountedRequests``."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._listeners: list[Listener] = []
        self.server_class = self._listen  # type: ignore[assignment, misc]  # gunicorn only calls it

    def _listen(self, listener: socket.socket, spawn: Pool, **_unused: object) -> Listener:
        self._listeners.append(Listener(self, listener, spawn))
        return self._listeners[-1]

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        """Serve one connection until it ends."""
        cast("CountedRequests", self.wsgi).expect(client)
        super().handle(listener, client, addr)

    def stop_listening(self) -> None:
        """Take no connection any more, now: gunicorn does it within a second."""
        for listener in self._listeners:
            listener.close()


class Listener(StreamServer):
    """Accepts connections for a worker, and when it is closed those that wait by then."""

    def __init__(self, worker: HttpWorker, listener: socket.socket, spawn: Pool) -> None:
        super().__init__(listener, handle=partial(worker.handle, Address(listener)), spawn=spawn)
        self._is_open = True
        if worker.cfg.workers > 1:
            self.max_accept = 1  # so that the others get theirs

    def close(self) -> None:
        """Accept what waits and close the socket in the same breath.

        gevent closes it some turns of its loop later, and the kernel resets what has come until then.
        """
        if self._is_open:
            self._is_open = False
            self.stop_accepting()
            gevent.sleep(0.001)  # until the loop has let go of the file
            with suppress(OSError):
                self._accept_rest()
            _socket.close(self.socket.detach())  # socket.close and os.close are gevent's, which put it off
            super().close()

    def _accept_rest(self) -> None:
        for _ in range(QUEUE):
            accepted = self.do_read()
            if accepted is None:
                return
            self.do_handle(*accepted)


class Address:
    """What gunicorn asks a listening socket for when a connection begins, also once that socket is closed."""

    def __init__(self, listener: socket.socket) -> None:
        self._name = listener.getsockname()

    def getsockname(self) -> Any:
        """Where it listened."""
        return self._name


class CountedRequests:
    """A WSGI callable that knows what is under way, and on which connections something may still come."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self._running = 0
        self._new: WeakSet[socket.socket] = WeakSet()
        self._idle: WeakSet[socket.socket] = WeakSet()
        self._last_on_kept = 0.0

    def expect(self, connection: socket.socket) -> None:
        """Somebody has connected, to ask something."""
        self._new.add(connection)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass the request on."""
        connection = environ["gunicorn.socket"]
        self._new.discard(connection)
        if connection in self._idle:
            self._idle.discard(connection)
            self._last_on_kept = time.monotonic()
        self._running += 1
        try:
            return self._application(environ, start_response)
        finally:
            self._running -= 1
            self._idle.add(connection)

    def finish(self, seconds: float) -> bool:
        """Answer what comes, so many seconds at most, and end kept connections before they are over.

        False: a request still runs.
        """
        until = time.monotonic() + seconds
        gevent.with_timeout(seconds - ENDING, self._wait_for_quiet, timeout_value=None)
        self.close_idle()
        left = max(until - time.monotonic(), ENDING)
        gevent.with_timeout(left, self._wait_for_running, timeout_value=None)
        return not self._running

    def _wait_for_quiet(self) -> None:
        self._wait_for_new()
        self.wait_for_kept()

    def _wait_for_new(self) -> None:
        """Wait until none runs; who has connected and asked nothing yet has a moment, too."""
        patient_until = time.monotonic() + NEW_PATIENCE
        while self._running or (self._awaits_new() and time.monotonic() < patient_until):
            gevent.sleep(0.02)
        gevent.sleep(MOMENT)

    def _wait_for_running(self) -> None:
        """Wait until none runs, nor any that was not read yet when the connections were ended."""
        gevent.sleep(MOMENT)
        while self._running:
            gevent.sleep(0.02)
        gevent.sleep(MOMENT)

    def wait_for_kept(self) -> None:
        """Wait until hardly anybody asks on a kept connection any more.

        Each answer ends its connection by now, so they get fewer. One that is ended from here crosses the
        next request on it (RFC 9112, section 9.5).
        """
        patient_until = time.monotonic() + KEPT_PATIENCE
        while time.monotonic() < min(self._last_on_kept + KEPT_QUIET, patient_until):
            gevent.sleep(0.02)

    def _awaits_new(self) -> bool:
        return any(connection.fileno() >= 0 for connection in list(self._new))

    def close_idle(self) -> None:
        """End the connections that are kept, but those on which a request has come by now.

        Otherwise they would end with the process, and what came shortly before would get no answer.
        """
        for connection in list(self._idle):
            with suppress(OSError, ValueError):  # it is over, or a plugin has taken it over
                end_when_silent(connection)


def end_when_silent(connection: socket.socket) -> None:
    """End a connection unless there is something to read on it. Raises OSError, ValueError."""
    unread = fcntl.ioctl(connection, termios.FIONREAD, bytes(4))  # a gevent socket's recv would wait
    if not any(unread):
        # By another descriptor: whoever reads finds the end, where gevent's shutdown would raise in him.
        with closing(_socket.socket(fileno=os.dup(connection.fileno()))) as same:
            same.shutdown(socket.SHUT_RDWR)
