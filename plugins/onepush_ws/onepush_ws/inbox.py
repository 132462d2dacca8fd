"""Inbox: the unusual frames of one connection (fragments, control frames, long or broken ones).

Made when such a frame comes and dropped as soon as nothing of it is left, so that an idle
connection costs nothing. The framing is the library's; the limits are ours.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol, State

from onepush_ws.protocol import MAX_FRAGMENTS, MAX_MESSAGE, CloseCode, close_frame

# The library logs frames at DEBUG, and contents of messages must not reach a log.
_SILENT = logging.getLogger("onepush_ws.frames")
_SILENT.setLevel(logging.CRITICAL + 1)


class Closing(NamedTuple):
    """The connection has to be closed: the code, and the close frame that says so."""

    code: int
    frame: bytes


class Received(NamedTuple):
    """What came out of some bytes: whole texts, the pongs due, how many control frames there were."""

    texts: list[str]
    pongs: bytes
    controls: int
    closing: Closing | None


class Broken(Exception):
    """The client broke one of our limits."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.closing = Closing(code, close_frame(code, reason))


class Inbox:
    """Bytes in, texts and answers out. Holds at most one partial message."""

    def __init__(self) -> None:
        self._protocol = Protocol(SERVER, state=State.OPEN, max_size=MAX_MESSAGE, logger=_SILENT)
        self._parts: list[bytes] = []
        self._unparsed = 0

    @property
    def idle(self) -> bool:
        """True when no partial frame and no partial message is held."""
        return not self._parts and self._unparsed <= 0

    def receive(self, data: bytes) -> Received:
        """Take in what was read from the socket."""
        self._unparsed += len(data)
        self._protocol.receive_data(data)
        frames = [event for event in self._protocol.events_received() if isinstance(event, Frame)]
        self._unparsed -= sum(_wire_size(len(frame.data)) for frame in frames)
        writes = [chunk for chunk in self._protocol.data_to_send() if chunk]
        closing = self._library_closing(writes)
        texts, broken = self._collect(frames)
        controls = sum(frame.opcode >= Opcode.CLOSE for frame in frames)
        return Received(texts, b"".join(writes), controls, broken or closing)

    def _library_closing(self, writes: list[bytes]) -> Closing | None:
        """The library's close frame, an echo or a complaint: always the last of what it writes."""
        sent = self._protocol.close_sent
        return None if sent is None else Closing(sent.code, writes.pop())

    def _collect(self, frames: list[Frame]) -> tuple[list[str], Closing | None]:
        texts: list[str] = []
        try:
            for frame in frames:
                if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                    self._add_part(frame)
                    if frame.fin:
                        texts.append(self._take_text())
        except Broken as error:
            return texts, error.closing
        return texts, None

    def _add_part(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            raise Broken(CloseCode.UNSUPPORTED_DATA, "text frames only")
        self._parts.append(bytes(frame.data))
        if len(self._parts) > MAX_FRAGMENTS:
            raise Broken(CloseCode.POLICY_VIOLATION, "too many fragments")

    def _take_text(self) -> str:
        parts, self._parts = self._parts, []
        try:
            return b"".join(parts).decode()
        except UnicodeDecodeError:
            raise Broken(CloseCode.INVALID_DATA, "invalid UTF-8") from None


def _wire_size(length: int) -> int:
    """Bytes of a masked frame with the shortest length form; a longer form only delays ``idle``."""
    extended = 0 if length < 126 else 2 if length < 1 << 16 else 8
    return 2 + extended + 4 + length
