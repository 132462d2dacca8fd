"""AppClient: what a business system and its devices ask of the gateway over REST."""

from __future__ import annotations

import uuid
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from harness.connection import Connection
from harness.needs import need_plugins
from harness.waiting import PATIENCE, eventually

Json = dict[str, Any]


class AppClient:
    """One app: its id, its key, and a pool of HTTP connections."""

    def __init__(self, url: str, app_id: str, key: str) -> None:
        self.url = url
        self.id = app_id
        self.key = key
        self._session = requests.Session()
        self._session.mount("http://", HTTPAdapter(pool_maxsize=64))
        self._connections: list[Connection] = []

    def post(self, path: str, body: Any, **options: Any) -> requests.Response:
        """POST JSON and take the answer as it comes."""
        return self._session.post(self.url + path, json=body, timeout=PATIENCE, **options)

    def register(self, alias: str, platform: str = "ANDROID", token: str | None = None, **more: Any) -> str:
        """Register a device; its id. Without ``token`` it is a new one."""
        body = {"appId": self.id, "alias": alias, "platform": platform, "nativeToken": token or new_token()}
        answer = self.post("/msgpush/register", {**body, **more})
        answer.raise_for_status()
        device: str = answer.json()["id"]
        return device

    def unregister(self, device: str) -> requests.Response:
        """Unregister a device."""
        return self._session.post(f"{self.url}/msgpush/unregister/{device}", timeout=PATIENCE)

    def try_send(self, *audiences: str, headers: Any = None, **fields: Any) -> requests.Response:
        """Send to aliases, or to whom ``audienceType`` means, and take the answer as it comes."""
        body: Json = {"appId": self.id, "appKey": self.key, "platform": "ALL", "audienceType": "ALIAS"}
        body |= {"audiences": list(audiences), "alert": "hello"}
        return self.post("/msgpush/send", {**body, **fields}, headers=headers)

    def send(self, *audiences: str, **fields: Any) -> str:
        """Send; the request id."""
        answer = self.try_send(*audiences, **fields)
        assert answer.status_code == 200, answer.text
        request_id: str = answer.json()["requestId"]
        return request_id

    def get(self, path: str, **parameters: Any) -> requests.Response:
        """GET under /v1 with this app's credentials."""
        return self._session.get(
            f"{self.url}/v1{path}", params=parameters, auth=(self.id, self.key), timeout=PATIENCE
        )

    def status(self, request_id: str) -> Json:
        """What became of a message."""
        return read(self.get(f"/messages/{request_id}"))

    def counts(self, request_id: str) -> dict[str, int]:
        """The counts that are not zero."""
        return {state: number for state, number in self.status(request_id)["counts"].items() if number}

    def await_counts(self, request_id: str, patience: float = PATIENCE, **wanted: int) -> None:
        """Wait until exactly these counts are not zero, and the message is dispatched."""

        def look() -> bool:
            status = self.status(request_id)
            counts = {state: number for state, number in status["counts"].items() if number}
            return status["state"] != "dispatching" and counts == wanted

        try:
            eventually(look, patience)
        except AssertionError:
            raise AssertionError(f"wanted {wanted}, is {self.status(request_id)}") from None

    def deliveries(self, request_id: str) -> list[Json]:
        """What became of a message, device by device."""
        found: list[Json] = []
        cursor: Json = {}
        while True:
            page = read(self.get(f"/messages/{request_id}/deliveries", limit=1000, **cursor))
            found += page["deliveries"]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    def delivery(self, request_id: str, device: str) -> Json:
        """What became of a message for one device."""
        return next(one for one in self.deliveries(request_id) if one["deviceId"] == device)

    def trail(self, request_id: str) -> list[Json]:
        """The trail of a message for its only device; empty as long as nobody was asked for it."""
        return next((one["trail"] for one in self.deliveries(request_id)), [])

    def await_trail(self, request_id: str, device: str, transport: str, patience: float = PATIENCE) -> Json:
        """Wait until a transport has answered for a device; its first line of the trail."""

        def look() -> Json | None:
            found = [one for one in self.deliveries(request_id) if one["deviceId"] == device]
            lines = [line for one in found for line in one["trail"] if line["transport"] == transport]
            return lines[0] if lines else None

        line = eventually(look, patience)
        assert line is not None
        return line

    def cancel(self, request_id: str) -> Json:
        """Cancel a message; its status."""
        url = f"{self.url}/v1/messages/{request_id}"
        return read(self._session.delete(url, auth=(self.id, self.key), timeout=PATIENCE))

    def is_online(self, alias: str, device: str) -> bool:
        """What the gateway says of the device's socket."""
        found = read(self.get("/devices", alias=alias, limit=1000))["devices"]
        return any(one["deviceId"] == device and one["online"] for one in found)

    def connect(self, device: str, **options: Any) -> Connection:
        """Open a device's socket; ``close`` closes it at the latest."""
        need_plugins("ws")
        connection = Connection(self.url, device, **options)
        self._connections.append(connection)
        return connection

    def close(self) -> None:
        """Close every connection."""
        for connection in self._connections:
            connection.close()
        self._session.close()


def new_token() -> str:
    """A native token nobody else has."""
    return uuid.uuid4().hex


def read(answer: requests.Response) -> Json:
    """The body of a good answer."""
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body
