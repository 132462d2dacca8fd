"""Crowd: thousands of devices, each a plain socket that shakes hands and waits for the close frame.

They answer no pings: give their gateway a long ``ping_timeout``.
"""

from __future__ import annotations

import http.client
import json
import resource
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence

from harness.app import AppClient, new_token

AT_A_TIME = 16
HANDSHAKE = (
    "GET /msgpush.ws?deviceId={device} HTTP/1.1\r\nHost: {host}\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
CLOSE = 0x88
"""The first byte of a close frame that is not fragmented; its code stands in the third and fourth."""
PING = b"\x89\x00"


def make_room(files: int) -> None:
    """Let this process, and those it starts, have so many open files. Raises OSError where they may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))


class Crowd:
    """``size`` devices of one alias, registered and connected. ``goodbyes``: close codes with their times."""

    def __init__(self, app: AppClient, alias: str, size: int) -> None:
        self.goodbyes: list[tuple[int | None, float]] = []
        self._app = app
        self._alias = alias
        self._host = app.url.removeprefix("http://")
        self._sockets: list[socket.socket] = []
        _share(self._join, range(size))

    def _join(self, share: Sequence[int]) -> None:
        """Register and connect so many devices, one after the other, by one HTTP connection."""
        session = http.client.HTTPConnection(self._host, timeout=30)
        for _ in share:
            self._sockets.append(self._connect(self._register(session)))
        session.close()

    def _register(self, session: http.client.HTTPConnection) -> str:
        body = {"appId": self._app.id, "alias": self._alias, "platform": "PC", "nativeToken": new_token()}
        headers = {"Content-Type": "application/json"}
        session.request("POST", "/msgpush/register", json.dumps(body), headers)
        device: str = json.loads(session.getresponse().read())["id"]
        return device

    def _connect(self, device: str) -> socket.socket:
        host, _, port = self._host.partition(":")
        opened = socket.create_connection((host, int(port)), timeout=30)
        opened.sendall(HANDSHAKE.format(device=device, host=self._host).encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += opened.recv(1)
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        opened.setblocking(False)
        return opened

    def watch(self, patience: float) -> None:
        """Wait until every socket has been closed from the other side, at most so many seconds."""
        deadline = time.monotonic() + patience
        waiting = {one.fileno(): one for one in self._sockets}
        poll = select.poll()
        for number in waiting:
            poll.register(number, select.POLLIN)
        while waiting and time.monotonic() < deadline:
            for number, _ in poll.poll(100):
                data = waiting[number].recv(256)
                if data and not data.removeprefix(PING):
                    continue
                self.goodbyes.append((_close_code(data.removeprefix(PING)), time.monotonic()))
                poll.unregister(number)
                del waiting[number]

    def close(self) -> None:
        """Close what is still open."""
        for one in self._sockets:
            one.close()


def _close_code(data: bytes) -> int | None:
    """The code of a close frame; None for anything else."""
    return struct.unpack("!H", data[2:4])[0] if data[:1] == bytes([CLOSE]) and len(data) >= 4 else None


def _share(work: Callable[[Sequence[int]], None], numbers: range) -> None:
    """Let some threads do it, each with its share."""
    shares = [numbers[start::AT_A_TIME] for start in range(AT_A_TIME)]
    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
