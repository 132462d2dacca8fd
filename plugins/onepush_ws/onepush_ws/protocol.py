"""What stands on the wire, as functions of bytes: server frames, short client frames, close codes.

Source: RFC 6455, sections 5.2 (framing), 5.5.1 and 7.4 (closing). Whatever is not a short,
unfragmented text frame of the client is left to the library (see ``inbox.py``).
"""

from __future__ import annotations

import enum
import sys

TEXT, CLOSE, PING = 0x1, 0x8, 0x9
MAX_MESSAGE = 4096
"""Bytes of one message from a client."""
MAX_FRAGMENTS = 16
"""Frames of one message from a client."""

_FINAL = 0x80
_FINAL_TEXT = _FINAL | TEXT
_MASKED = 0x80
_SHORT = 125
_HEADER = 6
"""Bytes before the payload of a short client frame: two of header, four of mask."""


class CloseCode(enum.IntEnum):
    """Why a socket was closed. README.md has the table for client authors."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS = 1005
    ABNORMAL = 1006
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    MISSING_DEVICE_ID = 4400
    APP_DISABLED = 4403
    UNKNOWN_DEVICE = 4404
    REPLACED = 4408


FAULTS = frozenset({1002, 1003, 1007, 1008, 1009, 1011})
"""Codes after which nothing the client still sends is looked at (RFC 6455, section 7.1.7)."""


def server_frame(opcode: int, payload: bytes) -> bytes:
    """Build one final, unmasked frame."""
    length = len(payload)
    if length <= _SHORT:
        return bytes((_FINAL | opcode, length)) + payload
    if length < 1 << 16:
        return bytes((_FINAL | opcode, 126)) + length.to_bytes(2, "big") + payload
    return bytes((_FINAL | opcode, 127)) + length.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Build a close frame; ``reason`` is at most 123 bytes of UTF-8."""
    return server_frame(CLOSE, code.to_bytes(2, "big") + reason.encode())


PING_FRAME = server_frame(PING, b"")
HEARTBEAT_ANSWER = server_frame(TEXT, b"ACK1")


def short_text(data: bytes, start: int) -> tuple[str, int] | None:
    """Read the short text frame at ``start``: its text and where the next frame begins.

    None: anything but a complete, final, masked text frame of at most 125 bytes of valid UTF-8.
    """
    if len(data) - start < _HEADER or data[start] != _FINAL_TEXT:
        return None
    length = data[start + 1] - _MASKED
    if not 0 <= length <= _SHORT:
        return None
    end = start + _HEADER + length
    if end > len(data):
        return None
    try:
        return _unmask(data[start + _HEADER : end], data[start + 2 : start + _HEADER]).decode(), end
    except UnicodeDecodeError:
        return None


def _unmask(payload: bytes, mask: bytes) -> bytes:
    length = len(payload)
    key = (mask * (length // 4 + 1))[:length]
    mixed = int.from_bytes(payload, sys.byteorder) ^ int.from_bytes(key, sys.byteorder)
    return mixed.to_bytes(length, sys.byteorder)


def close_label(code: int) -> str:
    """The code as a metric label: clients may send any of thousands, so unknown ones share one."""
    try:
        return str(CloseCode(code).value)
    except ValueError:
        return "other"
