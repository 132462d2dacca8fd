"""The emulator's HTTP side: one thread a connection, and everything that can go wrong on a wire."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from onepush_oppo.emulator.control import PREFIX, Control
from onepush_oppo.emulator.options import EmulatorOptions
from onepush_oppo.emulator.phones import Phones
from onepush_oppo.emulator.state import State, Trouble
from onepush_oppo.emulator.vendor import Refused, Vendor, read_form

LARGEST = 32 << 20
UNDONE = ("hang", "trickle", "drop", "empty", "text", "redirect")


class Emulator:
    """A server that can be started in a test or stand alone."""

    def __init__(
        self, options: EmulatorOptions | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.state = State(options or EmulatorOptions())
        self.phones = Phones(self.state)
        self.vendor = Vendor(self.state, self.phones)
        self.control = Control(self.state, self.phones)
        self._server = _Server((host, port), self)
        bound = self._server.server_address
        self.port: int = bound[1]
        self.url = f"http://{host}:{self.port}"

    def start(self) -> None:
        """Serve in the background."""
        self.phones.start()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def run(self) -> None:
        """Serve until interrupted."""
        self.phones.start()
        self._server.serve_forever()

    def stop(self) -> None:
        """Stop serving; calls that hang are let go."""
        self.state.stopped.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], emulator: Emulator) -> None:
        super().__init__(address, Handler)
        self.emulator = emulator

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Answer a GET."""
        self._handle()

    def do_POST(self) -> None:
        """Answer a POST."""
        self._handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """No access log: the journal has it."""

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST:
            return self._send(413, b"")
        body = self.rfile.read(length)
        path, _, query = self.path.partition("?")
        if path.startswith(PREFIX):
            return self._control(path.removeprefix(PREFIX), query, body)
        self._call(path, query, body)

    def _control(self, name: str, query: str, body: bytes) -> None:
        control = self.server.emulator.control
        try:
            value = json.loads(body) if body else {}
            answer = control.answer(self.command, name, query, value)
        except LookupError:
            return self._send_json({"error": "no such thing"}, 404)
        except (ValueError, TypeError, AttributeError, msgspec.ValidationError) as error:
            return self._send_json({"error": str(error)}, 400)
        self._send_json(answer)

    def _call(self, path: str, query: str, body: bytes) -> None:
        state = self.server.emulator.state
        trouble = state.next_trouble(path)
        if trouble is not None and trouble.kind == "revoke":
            state.tokens.clear()
        elif trouble is not None and (trouble.kind in UNDONE or trouble.kind.isdigit()):
            state.calls.append({"path": path, "code": trouble.kind, "items": 0, "at": state.now()})
            return self._go_wrong(trouble)
        answer = self._answer(path, query, body)
        data = answer.get("data")
        items = len(data) if isinstance(data, list) else 1
        state.calls.append({"path": path, "code": answer["code"], "items": items, "at": state.now()})
        time.sleep(state.options.latency)
        if trouble is not None and trouble.kind in ("torn", "lost"):
            return self._break_off(json.dumps(answer).encode() if trouble.kind == "torn" else b"")
        self._send_json(answer)

    def _answer(self, path: str, query: str, body: bytes) -> dict[str, Any]:
        try:
            if self.command == "GET":
                form = dict(parse_qsl(query))
            else:
                form = read_form(self.headers.get("Content-Type", ""), body)
        except Refused as error:
            return {"code": error.fault.code, "message": error.fault.text}
        return self.server.emulator.vendor.answer(self.command, path, form, dict(self.headers))

    def _go_wrong(self, trouble: Trouble) -> None:
        kind = trouble.kind
        if kind == "drop":
            return self._break_off(b"")
        if kind == "hang":
            self.server.emulator.state.stopped.wait(trouble.seconds)
            return self._break_off(b"")
        if kind == "trickle":
            return self._trickle(trouble.seconds)
        if kind == "redirect":
            host = urlsplit(self.server.emulator.url).netloc
            return self._send(302, b"", {"Location": f"http://{host}/elsewhere"})
        if kind == "text":
            return self._send(200, b"<html>busy</html>", {"Content-Type": "text/html"})
        headers = {"Retry-After": "1"} if kind == "429" else {}
        self._send(int(kind) if kind.isdigit() else 200, b"", headers)

    def _trickle(self, seconds: float) -> None:
        """One byte now and then, for ever as it seems."""
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.server.emulator.state.stopped.wait(0.1):
            self.wfile.write(b" ")
            self.wfile.flush()
        self.close_connection = True

    def _break_off(self, answer: bytes) -> None:
        """Send half of an answer, or nothing at all, and close."""
        if answer:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer[: len(answer) // 2])
        self.close_connection = True

    def _send_json(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value, ensure_ascii=False).encode()
        self._send(status, body, {"Content-Type": "application/json;charset=UTF-8"})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
