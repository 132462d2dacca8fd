"""FakeVendor: somebody else's HTTP service, real HTTP on a loopback port, with troubles on demand."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import gevent
from gevent.server import StreamServer

from onepush_core.testing.troubles import WISHED, Trouble

BEAT = 0.05
PART = b"x" * 65_536
MOST = 32 << 20
"""Bytes after which even an endless answer ends: whoever has read so many would read all."""
NEVER = 3600.0
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


class Request(NamedTuple):
    """What came in. ``headers``: names in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        """The body as a form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


class Reply(NamedTuple):
    """What goes out: ``json``, or ``text`` as it stands."""

    status: int = 200
    json: Any = None
    text: str | None = None
    headers: Mapping[str, str] = MappingProxyType({})

    @property
    def body(self) -> bytes:
        """The bytes."""
        return (json.dumps(self.json) if self.text is None else self.text).encode()


STATUSES = {
    Trouble.SERVER_ERROR: Reply(500, text="<html>Internal Server Error</html>"),
    Trouble.UNAVAILABLE: Reply(503, text="maintenance", headers={"Retry-After": str(WISHED)}),
    Trouble.TOO_MANY: Reply(429, text="slow down", headers={"Retry-After": str(WISHED)}),
    Trouble.UNAUTHORIZED: Reply(401, text="who are you?"),
    Trouble.EMPTY: Reply(200, text=""),
    Trouble.OTHER_JSON: Reply(200, json=[None, {"code": {"code": []}}, 17]),
    Trouble.NESTED: Reply(200, text="[" * 100_000),
}


class FakeVendor:
    """Answers each request with ``answer(request)``, unless it is in trouble.

    ``url``: where it listens. ``requests``: what came in, in order, also while in trouble. ``dead``: for
    ``answer`` to look at. ``elsewhere``: what came to the address that REDIRECT points to. ``sent``: bytes
    that ENDLESS has got rid of. Close it at the end.
    """

    TROUBLES: ClassVar[tuple[Trouble, ...]] = tuple(Trouble)

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.elsewhere: list[Request] = []
        self.dead: set[str] = set()
        self.sent = 0
        self._trouble: Trouble | None = None
        self._times: int | None = None
        self._server = self._listen(0)
        self._port = self._server.server_port or 0
        self._other = StreamServer(("127.0.0.1", 0), self._serve_elsewhere)
        self._other.start()
        self.url = f"http://127.0.0.1:{self._port}"

    def trouble(self, kind: Trouble, times: int | None = None) -> None:
        """Be in trouble from now on: for so many requests (None: until ``recover``)."""
        self.recover()
        self._trouble, self._times = kind, times
        if kind is Trouble.REFUSED:
            self._server.stop(timeout=0)

    def recover(self) -> None:
        """Be well again."""
        if self._trouble is Trouble.REFUSED:
            self._server = self._listen(self._port)
        self._trouble = None

    def close(self) -> None:
        """Listen no more, and cut all connections."""
        self._server.stop(timeout=0)
        self._other.stop(timeout=0)

    def take_trouble(self) -> Trouble | None:
        """The trouble that the next request gets."""
        kind = self._trouble
        if kind is not None and self._times is not None:
            self._times -= 1
            if self._times == 0:
                self._trouble = None
        return kind

    @property
    def other_url(self) -> str:
        """Where REDIRECT points to."""
        return f"http://127.0.0.1:{self._other.server_port}/elsewhere"

    def _listen(self, port: int) -> StreamServer:
        server = StreamServer(("127.0.0.1", port), self._serve)
        server.start()
        return server

    def _serve(self, connection: socket.socket, address: object) -> None:
        _serve(connection, _Handler, self)

    def _serve_elsewhere(self, connection: socket.socket, address: object) -> None:
        _serve(connection, _Elsewhere, self)


def _serve(connection: socket.socket, handler: type[_Handler], vendor: FakeVendor) -> None:
    with suppress(OSError):  # the caller has hung up
        handler(connection, ("127.0.0.1", 0), vendor)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    """One connection: its requests, one after the other."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FakeVendor  # type: ignore[assignment]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_POST(self) -> None:
        """Any method."""
        request = self._read()
        self.server.requests.append(request)
        kind = self.server.take_trouble()
        if kind is None:
            self._send(self.server.answer(request))
        elif kind in STATUSES:
            self._send(STATUSES[kind])
        else:
            self.close_connection = True
            ACTS[kind](self)

    do_GET = do_PUT = do_DELETE = do_PATCH = do_POST  # noqa: N815

    def _read(self) -> Request:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, address.path, query, headers, body)

    def _send(self, reply: Reply) -> None:
        body = reply.body
        self.send_response(reply.status)
        kind = "application/json" if reply.text is None else "text/html"
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        # Lingering for 0 seconds turns the close into a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _hang_up(self) -> None:
        """Nothing more: the connection is closed anyhow."""

    def _be_silent(self) -> None:
        gevent.sleep(NEVER)

    def _drip(self) -> None:
        self.wfile.write(CHUNKED)
        while True:
            self.wfile.write(b"1\r\n \r\n")
            gevent.sleep(BEAT)

    def _tear(self) -> None:
        self.wfile.write(
            b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"co'
        )

    def _babble(self) -> None:
        self._send(Reply(200, text="\x00\x07{\x1b]"))

    def _flood(self) -> None:
        self.wfile.write(CHUNKED)
        chunk = b"%x\r\n%b\r\n" % (len(PART), PART)
        for _ in range(MOST // len(PART)):
            self.wfile.write(chunk)
            self.server.sent += len(PART)

    def _boast(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: " + PART + PART + b"\r\nContent-Length: 2\r\n\r\n{}")

    def _send_away(self) -> None:
        self._send(Reply(307, text="", headers={"Location": self.server.other_url}))


class _Elsewhere(_Handler):
    """The address of somebody else."""

    def do_POST(self) -> None:
        """Note the request, and be friendly."""
        request = self._read()
        self.server.elsewhere.append(request)
        self._send(self.server.answer(request))

    do_GET = do_PUT = do_DELETE = do_PATCH = do_POST  # noqa: N815


ACTS: dict[Trouble, Callable[[_Handler], None]] = {
    Trouble.REFUSED: _Handler._reset,
    Trouble.RESET: _Handler._reset,
    Trouble.HANG_UP: _Handler._hang_up,
    Trouble.SILENCE: _Handler._be_silent,
    Trouble.DRIP: _Handler._drip,
    Trouble.TORN: _Handler._tear,
    Trouble.GARBAGE: _Handler._babble,
    Trouble.ENDLESS: _Handler._flood,
    Trouble.LONG_HEADER: _Handler._boast,
    Trouble.REDIRECT: _Handler._send_away,
}
