"""A strict Bark server: refuses what the real one refuses, and what its documentation does not know.

The real one passes unknown parameters on to the phone, where nobody sees them; here they are errors.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any

from onepush_core.testing import Reply, Request

USER, PASSWORD = "bark-user", "bark-password"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
MOST = 10
PAYLOAD = 4096
TEXTS = {"title", "subtitle", "body", "sound", "icon", "group", "url", "copy", "id"}
ONLY = {
    "level": {"critical", "active", "timeSensitive", "passive"},
    "call": {"1"},
    "isArchive": {"0", "1"},
}
TIMESTAMP = 1_800_000_000


def failed(code: int, text: str) -> Reply:
    """An error of the whole call."""
    return Reply(code, json={"code": code, "message": text, "timestamp": TIMESTAMP})


class BarkServer:
    """What it knows of phones.

    ``keys``: those it knows (None: all). ``shown``: by key, what the phone shows now, by notification id.
    ``dead``, ``busy``: keys for which Apple says so.
    """

    def __init__(self, keys: Collection[str] | None = None) -> None:
        self.keys = keys
        self.dead: set[str] = set()
        self.busy: set[str] = set()
        self.shown: dict[str, dict[str, dict[str, Any]]] = {}

    def answer(self, request: Request, unknown: Collection[str] = ()) -> Reply:
        """What the server answers. ``unknown``: keys it has never heard of."""
        if request.headers.get("authorization") != BASIC:
            return Reply(418, text="I'm a teapot")
        if (request.method, request.path) != ("POST", "/push"):
            return failed(404, f"Cannot {request.method} {request.path}")
        if not request.headers.get("content-type", "").startswith("application/json"):
            return failed(400, "device key is empty")
        problem = self._problem_with(request.json)
        if problem:
            return failed(400, problem)
        body = dict(request.json)
        data = [self._push(key, body, unknown) for key in body.pop("device_keys")]
        return Reply(json={"code": 200, "message": "success", "timestamp": TIMESTAMP, "data": data})

    def _problem_with(self, body: Any) -> str | None:
        if not isinstance(body, dict):
            return "request bind failed"
        keys = body.get("device_keys")
        if not isinstance(keys, list) or not keys or not all(isinstance(key, str) and key for key in keys):
            return "device key is empty"
        if len(keys) > MOST:
            return f"batch push count exceeds the maximum limit: {MOST}"
        return next((f"strict: {name}" for name in body if not self._is_known(name, body[name])), None)

    def _is_known(self, name: str, value: Any) -> bool:
        if name in TEXTS:
            return isinstance(value, str) and bool(value)
        if name == "badge":
            return isinstance(value, int)
        return name == "device_keys" or value in ONLY.get(name, ())

    def _push(self, key: str, body: dict[str, Any], unknown: Collection[str]) -> dict[str, Any]:
        problem = self._refusal(key, body, unknown)
        if problem is not None:
            code, text = problem
            return {"code": code, "device_key": key, "message": text}
        self.shown.setdefault(key, {})[body["id"]] = body
        return {"code": 200, "device_key": key}

    def _refusal(self, key: str, body: dict[str, Any], unknown: Collection[str]) -> tuple[int, str] | None:
        if key in unknown or (self.keys is not None and key not in self.keys):
            return 400, f"failed to get device token: failed to get [{key}] device token from database"
        if key in self.dead:
            return 500, "push failed: APNS push failed: BadDeviceToken"
        if key in self.busy:
            return 500, "push failed: APNS push failed: TooManyRequests"
        if len(str(body).encode()) > PAYLOAD:
            return 500, "push failed: APNS push failed: PayloadTooLarge"
        return None
