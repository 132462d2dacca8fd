"""A WebSocket client that can break every rule: frames are made by hand and sent over a plain socket."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA
TIMEOUT = 10.0


def client_frame(opcode, payload=b"", *, fin=True, rsv=0, mask=b"\x11\x22\x33\x44", form=None, claim=None):
    """Bytes of one frame. ``form``: 126 or 127 force a longer length; ``claim``: a length that is a lie."""
    length = len(payload) if claim is None else claim
    form = form or (length if length < 126 else 126 if length < 1 << 16 else 127)
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode, (0x80 if mask else 0) | form])
    if form == 126:
        head += struct.pack("!H", length)
    if form == 127:
        head += struct.pack("!Q", length)
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def close_payload(code, reason=b""):
    """Payload of a close frame."""
    return struct.pack("!H", code) + reason


class RawClient:
    """One connection; ``headers`` replace or (None) remove those of the handshake."""

    def __init__(self, port, path, *, early=b"", receive_buffer=None, **headers):
        self.socket = socket.socket()
        self.socket.settimeout(TIMEOUT)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.buffer = b""
        self.socket.sendall(handshake(port, path, headers) + early)
        head = self._read_until(b"\r\n\r\n").decode()
        self.status = int(head.split(" ")[1])
        lines = [line.split(": ", 1) for line in head.split("\r\n")[1:] if line]
        self.headers = {name.lower(): value for name, value in lines}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _read_until(self, end):
        while end not in self.buffer:
            self._more()
        found, self.buffer = self.buffer.split(end, 1)
        return found + end

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data

    def _take(self, count):
        while len(self.buffer) < count:
            self._more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def body(self):
        """The JSON of an answer that was no upgrade."""
        return json.loads(self._take(int(self.headers["content-length"])))

    def send(self, data):
        self.socket.sendall(data)

    def send_text(self, text):
        self.send(client_frame(TEXT, text.encode()))

    def receive(self):
        """The next frame: (opcode, payload). Checks that the server keeps the rules."""
        first, second = self._take(2)
        assert first & 0x80, "the server fragments nothing"
        assert not first & 0x70, "the server sets no reserved bit"
        assert not second & 0x80, "the server masks nothing"
        length = second
        if length == 126:
            (length,) = struct.unpack("!H", self._take(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._take(8))
        return first & 0x0F, self._take(length)

    def receive_after_pings(self):
        """The next frame that is no ping: one may come at any time, and is answered."""
        while True:
            opcode, payload = self.receive()
            if opcode != PING:
                return opcode, payload
            self.send(client_frame(PONG, payload))

    def receive_message(self):
        """The next pushed message."""
        opcode, payload = self.receive_after_pings()
        assert opcode == TEXT
        return json.loads(payload)

    def receive_close(self):
        """The code of the close frame that comes next, and that the server then ends the connection."""
        while True:
            opcode, payload = self.receive()
            if opcode == CLOSE:
                break
        assert self.ended()
        return struct.unpack("!H", payload[:2])[0] if payload else None

    def ended(self):
        """True when nothing more comes and the connection ends."""
        try:
            return self.buffer == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def is_open(self):
        """True when the server answers."""
        self.send_text("HBT")
        return self.receive_after_pings() == (TEXT, b"ACK1")


def handshake(port, path, changes=None):
    """The request, with headers replaced or (None) removed; names with _ for -."""
    headers = {
        "Host": f"127.0.0.1:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    headers.update({name.replace("_", "-"): value for name, value in (changes or {}).items()})
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()
