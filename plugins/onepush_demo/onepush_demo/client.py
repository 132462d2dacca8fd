"""The calls of a business system and of a device, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import requests

from onepush_demo.credentials import Credentials

PATIENCE = 10.0  # seconds for any one thing to happen
UNAUTHORIZED = 401
PAUSE = 0.005  # seconds between two status calls


class JourneyFailed(Exception):
    """The gateway did not do what it should have done."""


class Client:
    """Calls a running gateway as one app. Every method may raise JourneyFailed."""

    def __init__(self, url: str, app: Credentials, session: requests.Session) -> None:
        self.url = url
        self._app = app
        self._session = session

    def is_welcome(self) -> bool:
        """Whether the gateway takes the app's key."""
        return self._call("/v1/devices?alias=demo-user").status_code != UNAUTHORIZED

    def register(self, alias: str, platform: str, token: str, **more: str) -> str:
        """Register a device; its id. The same token is the same device."""
        body = {"appId": self._app.app_id, "alias": alias, "platform": platform, "nativeToken": token, **more}
        return str(self._post("/msgpush/register", body)["id"])

    def send(self, alias: str, alert: str, **more: object) -> str:
        """Send to everything that a person has; the request id."""
        body = {
            "appId": self._app.app_id,
            "appKey": self._app.key,
            "platform": "ALL",
            "audienceType": "ALIAS",
            "audiences": [alias],
            "alert": alert,
            **more,
        }
        return str(self._post("/msgpush/send", body)["requestId"])

    def status(self, message: str) -> dict[str, Any]:
        """State and counts of a message."""
        return self._get(f"/v1/messages/{message}")

    def last_reason(self, message: str) -> str:
        """The reason in the last line of the trail of a message's first delivery."""
        trail = self._get(f"/v1/messages/{message}/deliveries")["deliveries"][0]["trail"]
        return str(trail[-1]["reason"])

    def await_count(self, message: str, count: int, *states: str) -> None:
        """Wait until the status call shows so many deliveries in these states."""
        deadline = time.monotonic() + PATIENCE
        while sum(self.status(message)["counts"][state] for state in states) != count:
            if time.monotonic() > deadline:
                raise JourneyFailed(f"the status call does not show {count} {states[0]}")
            time.sleep(PAUSE)

    def _get(self, path: str) -> dict[str, Any]:
        return _content(self._call(path))

    def _call(self, path: str) -> requests.Response:
        credentials = (self._app.app_id, self._app.key)
        return self._session.get(self.url + path, auth=credentials, timeout=PATIENCE)

    def _post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        return _content(self._session.post(self.url + path, json=body, timeout=PATIENCE))


def _content(response: requests.Response) -> dict[str, Any]:
    content: dict[str, Any] = response.json()
    if not response.ok:
        raise JourneyFailed(f"HTTP {response.status_code}: {content.get('message')}")
    return content
