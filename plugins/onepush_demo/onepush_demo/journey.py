"""The journey of one message: one person, two devices, one of them offline; both get it and confirm it.

Each step is a generator's item, so that the screen can show it when it has happened.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import requests
from websockets.sync.client import ClientConnection, connect

from onepush_demo.credentials import Credentials

ALIAS = "demo-user"
ALERT = "Hello from onepush"
PATIENCE = 10.0  # seconds for any one thing to happen


class Step(NamedTuple):
    """One thing that happened, and how long it took in seconds."""

    what: str
    took: float


class JourneyFailed(Exception):
    """The gateway did not do what it should have done."""


class Journey:
    """Plays the journey against a running gateway."""

    def __init__(
        self,
        url: str,
        app: Credentials,
        session: requests.Session,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._url = url
        self._app = app
        self._session = session
        self._clock = clock

    def play(self) -> Iterator[Step]:
        """Every step as it happens. Raises JourneyFailed."""
        try:
            yield from self._steps()
        except (requests.RequestException, OSError, TimeoutError, ValueError, KeyError) as error:
            raise JourneyFailed(f"{type(error).__name__}: {error}") from error

    def _steps(self) -> Iterator[Step]:
        began = self._clock()
        phone, laptop = self._register("ANDROID", "demo-phone"), self._register("PC", "demo-laptop")
        yield self._step(f"registered a phone and a laptop of {ALIAS}", began)
        began = self._clock()
        with self._connect(phone) as socket:
            yield self._step("the phone connected; the laptop stays offline", began)
            began = self._clock()
            message = self._send()
            yield self._step("sent a message that asks for confirmation: stored, 200", began)
            yield from self._receive(socket, message, "the phone", began, confirmed=1)
        began = self._clock()
        with self._connect(laptop) as socket:
            yield self._step("the laptop connected, late", began)
            yield from self._receive(socket, message, "the laptop", began, confirmed=2)
        began = self._clock()
        status = self._status(message)
        yield self._step(f"status: {status['counts']['confirmed']} of {status['total']} confirmed", began)

    def _receive(
        self, socket: ClientConnection, message: str, device: str, began: float, confirmed: int
    ) -> Iterator[Step]:
        while json.loads(socket.recv(PATIENCE))["id"] != message:
            pass
        yield self._step(f"{device} got the frame", began)
        began = self._clock()
        socket.send(f"CFM:{message}")
        self._await_confirmed(message, confirmed)
        yield self._step(f"{device} confirmed it", began)

    def _step(self, what: str, began: float) -> Step:
        return Step(what, self._clock() - began)

    def _register(self, platform: str, token: str) -> str:
        body = {
            "appId": self._app.app_id,
            "alias": ALIAS,
            "platform": platform,
            "nativeToken": token,
        }
        return str(self._post("/msgpush/register", body)["id"])

    def _connect(self, device: str) -> ClientConnection:
        address = self._url.replace("http", "ws", 1) + f"/msgpush.ws?deviceId={quote(device, safe='')}"
        return connect(address, proxy=None, open_timeout=PATIENCE, close_timeout=1, compression=None)

    def _send(self) -> str:
        body = {
            "appId": self._app.app_id,
            "appKey": self._app.key,
            "platform": "ALL",
            "audienceType": "ALIAS",
            "audiences": [ALIAS],
            "alert": ALERT,
            "needConfirm": True,
        }
        return str(self._post("/msgpush/send", body)["requestId"])

    def _await_confirmed(self, message: str, count: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while self._status(message)["counts"]["confirmed"] != count:
            if time.monotonic() > deadline:
                raise JourneyFailed(f"the status call does not show {count} confirmed")
            time.sleep(0.005)

    def _status(self, message: str) -> dict[str, Any]:
        credentials = (self._app.app_id, self._app.key)
        return self._content(
            self._session.get(f"{self._url}/v1/messages/{message}", auth=credentials, timeout=PATIENCE)
        )

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._content(self._session.post(self._url + path, json=body, timeout=PATIENCE))

    def _content(self, response: requests.Response) -> dict[str, Any]:
        content: dict[str, Any] = response.json()
        if not response.ok:
            raise JourneyFailed(f"HTTP {response.status_code}: {content.get('message')}")
        return content
