"""The opening handshake: checks a request, takes its socket over from gunicorn, opens the connection.

Source: RFC 6455, section 4.2. No extension and no subprotocol is ever agreed on.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import falcon
import gevent
import msgspec
from websockets.utils import accept_key

from onepush_core import Device, Gateway
from onepush_ws import sockets
from onepush_ws.connection import GONE
from onepush_ws.hub import Hub
from onepush_ws.protocol import CloseCode
from onepush_ws.reader import Reader
from onepush_ws.settings import Settings

VERSION = "13"
_MAX_DEVICE_ID = 128
_REFUSALS_AT_A_TIME = 1000
"""Sockets beyond ``max_connections`` that may be open just to be told why they are closed."""


class Refusal(NamedTuple):
    """Why there is no upgrade: the five-digit code of the JSON error, and what it says."""

    code: int
    message: str
    header: tuple[str, str] | None = None


class Rejection(NamedTuple):
    """Why the connection is closed right after the upgrade, where a browser can read it."""

    code: CloseCode
    reason: str


def check_upgrade(request: falcon.Request) -> Refusal | None:
    """Check what RFC 6455 asks of the request."""
    if "websocket" not in _tokens(request.get_header("Upgrade")):
        return Refusal(42601, "this address speaks WebSocket only", ("Upgrade", "websocket"))
    if "upgrade" not in _tokens(request.get_header("Connection")):
        return Refusal(40060, "Connection: must name Upgrade")
    if request.env.get("SERVER_PROTOCOL") != "HTTP/1.1":
        return Refusal(40060, "a WebSocket handshake needs HTTP/1.1")
    if request.content_length or request.get_header("Transfer-Encoding"):
        return Refusal(40060, "a WebSocket handshake has no body")
    if request.get_header("Sec-WebSocket-Version") != VERSION:
        return Refusal(40061, "Sec-WebSocket-Version: must be 13", ("Sec-WebSocket-Version", VERSION))
    if not is_nonce(request.get_header("Sec-WebSocket-Key") or ""):
        return Refusal(40060, "Sec-WebSocket-Key: must be 16 bytes in base64")
    return None


def is_nonce(key: str) -> bool:
    """True for 16 bytes in base64."""
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def is_origin_allowed(origin: str | None, host: str | None, allowed: tuple[str, ...]) -> bool:
    """True for no origin (not a browser), one of ``allowed``, ``*`` among them, or our own host.

    Behind a proxy the scheme is not ours to know, so only host and port are compared with ``host``.
    """
    if origin is None or "*" in allowed or origin.lower() in {entry.lower() for entry in allowed}:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not host:
        return False
    default_port = ":443" if parts.scheme == "https" else ":80"
    return parts.netloc.lower() == host.lower().removesuffix(default_port)


def switching_protocols(key: str) -> bytes:
    """The answer that ends HTTP on this socket."""
    lines = (
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(key)}",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def read_device_id(query: str) -> str | None:
    """The ``deviceId`` of a query string; None when missing, blank or ambiguous. Never raises."""
    values = parse_qs(query, errors="replace").get("deviceId", [])
    return values[0] if len(values) == 1 and values[0].strip() else None


def _tokens(header: str | None) -> set[str]:
    return {token.strip().lower() for token in (header or "").split(",")}


class WebSocketResource:
    """``GET /msgpush.ws?deviceId=…``."""

    def __init__(self, gateway: Gateway, hub: Hub, reader: Reader, settings: Settings) -> None:
        self._gateway = gateway
        self._hub = hub
        self._reader = reader
        self._settings = settings

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Upgrade, or answer why not."""
        refusal = check_upgrade(request) or self._check_policy(request)
        if refusal is not None:
            refuse(response, refusal)
            return
        found = self._find(read_device_id(request.query_string))
        if isinstance(found, Refusal):
            refuse(response, found)
            return
        early = take_early_bytes(request.env.get("wsgi.input"))
        fd = self._take_over(request.env, found)
        self._open(fd, request.get_header("Sec-WebSocket-Key", default=""), found, early)

    def _check_policy(self, request: falcon.Request) -> Refusal | None:
        origin, host = request.get_header("Origin"), request.get_header("Host")
        if not is_origin_allowed(origin, host, self._settings.origins):
            return Refusal(40360, "this Origin may not connect")
        if self._hub.stopping:
            return Refusal(50361, "restarting, connect again", ("Retry-After", "1"))
        if len(self._hub.sockets) >= self._settings.max_connections + _REFUSALS_AT_A_TIME:
            return Refusal(50360, "too many connections, try later", ("Retry-After", "5"))
        return check_socket(request.env.get("gunicorn.socket"))

    def _find(self, device_id: str | None) -> Device | Rejection | Refusal:
        """Look the device up; a store that hangs must not hold the handshake."""
        if device_id is None:
            return Rejection(CloseCode.MISSING_DEVICE_ID, "deviceId is missing")
        unknown = Rejection(CloseCode.UNKNOWN_DEVICE, "unknown device")
        if len(device_id) > _MAX_DEVICE_ID or not device_id.isascii() or not device_id.isprintable():
            return unknown
        try:
            with gevent.Timeout(self._settings.handshake_seconds):
                return self._find_and_announce(device_id) or unknown
        except gevent.Timeout:
            return Refusal(50362, "the device could not be looked up in time")

    def _find_and_announce(self, device_id: str) -> Device | None:
        """Look again when a device was removed meanwhile: it might have been this one."""
        announced: int | None = None
        device: Device | None = None
        try:
            while True:
                removals = self._hub.removals
                device = self._gateway.find_device(device_id)
                if device is not None and announced is None:
                    self._gateway.presence.announce(device.key)
                    announced = device.key
                if removals == self._hub.removals:
                    return device
        except BaseException:  # the second look may fail, or take too long
            device = None
            raise
        finally:
            if device is None and announced is not None:
                self._gateway.presence.renounce(announced)

    def _take_over(self, env: dict[str, Any], found: Device | Rejection) -> int:
        """The socket's descriptor. Raises OSError when the socket is closed."""
        try:
            fd: int = env["gunicorn.socket"].detach()
            sockets.make_nonblocking(fd)
        except BaseException:
            if isinstance(found, Device):
                self._gateway.presence.renounce(found.key)
            raise
        # From here on gunicorn must not write to the socket: the core's WSGI wrapper sees to that.
        env["onepush.taken_over"] = True
        return fd

    def _open(self, fd: int, key: str, found: Device | Rejection, early: bytes) -> None:
        connection = self._hub.adopt(fd)
        self._hub.send(connection, switching_protocols(key))
        if isinstance(found, Rejection):
            self._hub.close(connection, found.code, found.reason)
        elif connection.state == GONE:
            self._gateway.presence.renounce(found.key)  # the client has hung up while it was looked up
        elif self._hub.is_full(found.key):
            self._gateway.presence.renounce(found.key)
            self._hub.close(connection, CloseCode.TRY_AGAIN_LATER, "too many connections")
        else:
            self._hub.open(connection, found)
        if early and connection.state != GONE:
            self._reader.receive(connection, early)


def check_socket(handle: object) -> Refusal | None:
    """Check that the server lets go of the connection: gunicorn's gevent worker, without TLS."""
    if handle is None or not hasattr(handle, "detach"):
        return Refusal(50160, "this server keeps its sockets; start the gateway with: onepush serve")
    if hasattr(handle, "do_handshake"):
        return Refusal(50160, "WebSockets need TLS to end in a proxy before the gateway")
    return None


def take_early_bytes(body: object) -> bytes:
    """What gunicorn read beyond the handshake: the first frames of a client in a hurry."""
    unreader = getattr(getattr(body, "reader", None), "unreader", None)
    return bytes(unreader.take_buffered()) if unreader is not None else b""


def refuse(response: falcon.Response, refusal: Refusal) -> None:
    """Answer with a JSON error instead of the upgrade."""
    response.status = refusal.code // 100
    response.content_type = falcon.MEDIA_JSON
    response.data = msgspec.json.encode({"code": refusal.code, "message": refusal.message})
    if refusal.header is not None:
        response.set_header(*refusal.header)
