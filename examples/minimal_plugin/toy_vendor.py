"""A toy of Pigeon's server, to try the plugin: ``python toy_vendor.py [PORT]``. It prints what it delivers.

The tests use its ``answer`` too. Throw it away once you talk to the real vendor.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "a-toy-key"
MOST = 100


def answer(key: str | None, body: Any, dead: Collection[str] = ()) -> tuple[int, dict[str, Any]]:
    """(status, JSON) of one request, as strict as the real vendor would be."""
    if key != KEY:
        return 401, {"error": "unknown key"}
    addresses, text = body.get("addresses"), body.get("text")
    if not isinstance(addresses, list) or not 1 <= len(addresses) <= MOST or not isinstance(text, str):
        return 400, {"error": "wants 1 to 100 addresses and a text"}
    return 200, {"results": {one: "unknown" if one in dead else "taken" for one in addresses}}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_POST(self) -> None:
        """Answer, and print what was delivered."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, told = answer(self.headers["X-Key"], body)
        for address in told.get("results", ()):
            print(f"Pigeon delivers to {address}: {body['text']}", flush=True)
        data = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing else."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 0), Handler)
    print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
