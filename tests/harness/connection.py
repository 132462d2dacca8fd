"""Connection: a device's WebSocket. The protocol is the ``websockets`` library's; bytes move when asked."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections import deque
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

from websockets.client import ClientProtocol
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import Event
from websockets.typing import Origin
from websockets.uri import parse_uri

from harness.waiting import PATIENCE

HARD_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER that makes ``close`` send a reset."""


class Closed(Exception):
    """The gateway has closed the socket; ``code`` is None when it did so without a close frame."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Connection:
    """One socket of one device, connected when made.

    ``receive_buffer``: bytes the kernel may hold for a reader that does not read. ``silent``: answer no ping.
    ``query``: another query string than the one with the device's id.
    """

    def __init__(
        self,
        url: str,
        device: str,
        *,
        receive_buffer: int | None = None,
        silent: bool = False,
        origin: str | None = None,
        query: str | None = None,
    ) -> None:
        parts = urlsplit(url)
        target = f"?deviceId={quote(device)}" if query is None else query
        self.device = device
        self.closed: Closed | None = None
        self._silent = silent
        self._texts: deque[str] = deque()
        self._protocol = ClientProtocol(
            parse_uri(f"ws://{parts.netloc}/msgpush.ws{target}"),
            origin=None if origin is None else Origin(origin),
            max_size=None,
        )
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.socket.connect((parts.hostname, parts.port))
            self._shake_hands()
        except BaseException:
            self.socket.close()
            raise

    def _shake_hands(self) -> None:
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        deadline = time.monotonic() + PATIENCE
        while self._protocol.handshake_exc is None and not self._is_open():
            self._receive(deadline)
        if self._protocol.handshake_exc is not None:
            raise self._protocol.handshake_exc

    def _is_open(self) -> bool:
        return self._protocol.state.name != "CONNECTING"

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self.socket.sendall(data)

    def _receive(self, deadline: float) -> None:
        """Take in what comes next, or time out."""
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            raise
        except OSError:
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
            self.closed = self.closed or Closed(None)
        for event in self._protocol.events_received():
            self._take(event)
        if self._silent:
            self._protocol.data_to_send()
        else:
            self._answer()

    def _answer(self) -> None:
        try:
            self._flush()
        except OSError:
            self.closed = self.closed or Closed(None)

    def _take(self, event: Event) -> None:
        if not isinstance(event, Frame):
            return
        if event.opcode is Opcode.TEXT:
            self._texts.append(bytes(event.data).decode())
        elif event.opcode is Opcode.CLOSE:
            self.closed = Closed(Close.parse(bytes(event.data)).code)

    def text(self, patience: float = PATIENCE) -> str:
        """The next text. Raises TimeoutError when none comes in time, Closed when none can come any more."""
        deadline = time.monotonic() + patience
        while not self._texts:
            if self.closed:
                raise self.closed
            self._receive(deadline)
        return self._texts.popleft()

    def frame(self, patience: float = PATIENCE) -> dict[str, Any]:
        """The next pushed message."""
        pushed: dict[str, Any] = json.loads(self.text(patience))
        return pushed

    def frames(self, count: int, patience: float = PATIENCE) -> list[dict[str, Any]]:
        """The next ``count`` pushed messages."""
        deadline = time.monotonic() + patience
        return [self.frame(deadline - time.monotonic()) for _ in range(count)]

    def alerts(self, count: int, patience: float = PATIENCE) -> list[str]:
        """The texts of the next ``count`` pushed messages."""
        return [frame["alert"] for frame in self.frames(count, patience)]

    def kept(self) -> list[dict[str, Any]]:
        """The messages that came in while something else was waited for; does not wait."""
        return [self.frame(0) for _ in range(len(self._texts))]

    def no_frame(self, seconds: float = 0.3) -> None:
        """Check that nothing comes for so long."""
        try:
            unexpected = self.text(seconds)
        except (TimeoutError, Closed):
            return
        raise AssertionError(f"unexpected frame: {unexpected}")

    def send_text(self, text: str) -> None:
        """Send one text frame. Raises Closed once the gateway has said goodbye."""
        if self.closed:
            raise self.closed
        self._protocol.send_text(text.encode())
        self._flush()

    def send_binary(self, data: bytes) -> None:
        """Send one binary frame."""
        self._protocol.send_binary(data)
        self._flush()

    def confirm(self, message_id: str) -> None:
        """Confirm a message."""
        self.send_text(f"CFM:{message_id}")

    def heartbeat(self, patience: float = PATIENCE) -> None:
        """Have a heartbeat answered. All that was sent before it has been read by then.

        Messages that come in meanwhile are kept for ``frame``.
        """
        self.send_text("HBT")
        earlier: list[str] = []
        while (text := self.text(patience)) != "ACK1":
            earlier.append(text)
        self._texts.extendleft(reversed(earlier))

    def close_code(self, patience: float = PATIENCE) -> int | None:
        """Wait until the gateway closes the socket; frames that come before are kept."""
        deadline = time.monotonic() + patience
        while self.closed is None:
            self._receive(deadline)
        return self.closed.code

    def leave(self, patience: float = PATIENCE) -> None:
        """Hang up as RFC 6455 has it; what the gateway had sent until then is kept."""
        self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
        self._flush()
        self.close_code(patience)
        self.close()

    def close(self) -> None:
        """Hang up without a word."""
        self.socket.close()

    def reset(self) -> None:
        """Hang up with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HARD_CLOSE)
        self.socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
