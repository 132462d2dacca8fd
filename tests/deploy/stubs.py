"""Stand-ins for gateways that go wrong in a way a real one cannot be told to."""

from __future__ import annotations

import socket
import threading


class Stub:
    """Takes requests and answers each with 200, or with nothing: it closes the connection."""

    def __init__(self, *, answers: bool) -> None:
        self.requests: list[str] = []
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65_536) or b"\r\n\r\n"
        self.requests.append(data.split(b"\r\n")[0].decode())
        if self._answers:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    def stop(self) -> None:
        """Listen no more."""
        self._listener.close()
