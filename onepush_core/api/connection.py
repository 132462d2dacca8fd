"""What becomes of the connection after an answer: kept as a rule, else handed over or closed.

Falcon can say neither; a resource sets a key of the WSGI environment and ``takeover`` acts on it.
Written for gunicorn's gevent worker; other servers ignore ``CLOSE``.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import gevent

TAKEN_OVER = "onepush.taken_over"
CLOSE = "onepush.close"
LINGER_SECONDS = 1.0
LINGER_BYTES = 1 << 20

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Callable[[bytes], object]]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]


def takeover(wsgi: Wsgi) -> Wsgi:
    """Wrap a WSGI application: afterwards do with the connection what the environment asks for.

    The wrapper raises ``StopIteration`` after a hand-over: gunicorn then writes nothing, and leaves
    a socket that was detached alone.
    """

    def call(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], object]:
            if environ.get(TAKEN_OVER):
                return _discard
            if environ.get(CLOSE):
                _announce_close(start_response)
            return start_response(status, headers, exc_info)

        body = wsgi(environ, start)
        if environ.get(TAKEN_OVER):
            raise StopIteration
        return LingeringClose(body, environ.get("gunicorn.socket")) if environ.get(CLOSE) else body

    return call


class LingeringClose:
    """An answer after which the connection ends, but not before the client could read the answer.

    Closing while the client still sends would reset the connection and lose what was written.
    """

    def __init__(self, body: Iterable[bytes], sock: Any) -> None:
        self._body = body
        self._socket = sock

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Called by the server once the answer is written: read on for a moment, within bounds."""
        if self._socket is None:
            return
        gevent.with_timeout(LINGER_SECONDS, self._drain, timeout_value=None)

    def _drain(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
            left = LINGER_BYTES
            while left > 0 and (data := self._socket.recv(65_536)):
                left -= len(data)
        except OSError:
            return


def _announce_close(start_response: StartResponse) -> None:
    # gunicorn drops a Connection header from the application; its Response has a method for it.
    force_close = getattr(getattr(start_response, "__self__", None), "force_close", None)
    if force_close is not None:
        force_close()


def _discard(_data: bytes) -> None:
    """Stand in for WSGI's write callable."""
