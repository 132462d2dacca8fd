"""What a business system and its devices ask of a gateway over REST, without a socket."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from falcon.testing import Result, TestClient

from onepush_core.api.schemas import RegisterRequest
from onepush_core.api.translation import to_registration
from onepush_core.gateway import Gateway
from onepush_core.ids import new_device_id
from onepush_core.objects import App, Device
from onepush_core.store import devices
from onepush_core.store.transaction import Transaction

Json = dict[str, Any]


class Client:
    """One app. ``id`` and ``key``: its credentials; ``gateway``: whose it is."""

    def __init__(
        self, gateway: Gateway, http: TestClient, app_id: str, key: str, settle: Callable[[], None]
    ) -> None:
        self.gateway = gateway
        self.id = app_id
        self.key = key
        self._http = http
        self._settle = settle

    @property
    def app(self) -> App:
        """The app as hooks get it."""
        return self.gateway.authenticate(self.id, self.key)

    def call(self, method: str, path: str, **options: Any) -> Result:
        """Any call, with id and key as HTTP Basic. ``options``: as Falcon's test client takes them."""
        basic = base64.b64encode(f"{self.id}:{self.key}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", **options.pop("headers", {})}
        return self._http.simulate_request(method, path, headers=headers, **options)

    def register(self, alias: str, **fields: Any) -> str:
        """Register a device; its id. ``fields``: as in the body of /msgpush/register."""
        body = self._registration(alias=alias, **fields)
        device: str = _read(self.call("POST", "/msgpush/register", json=body))["id"]
        return device

    def register_many(self, bodies: Iterable[Json]) -> list[Device]:
        """Register devices in one commit, and not by a call each; no plugin is asked whether it objects."""
        app, now = self.app.key, self.gateway.clock.now()
        wanted = [
            to_registration(msgspec.convert(self._registration(**body), RegisterRequest)) for body in bodies
        ]

        def job(transaction: Transaction) -> list[int]:
            return [devices.register(transaction, app, one, new_device_id(), now)[1] for one in wanted]

        keys = self.gateway.write(job)
        return self.gateway.read(lambda transaction: devices.by_keys(transaction, keys))

    def _registration(self, **fields: Any) -> Json:
        body = {"appId": self.id, "platform": "ANDROID", "nativeToken": uuid.uuid4().hex}
        return {**body, **fields}

    def unregister(self, device: str) -> None:
        """Unregister a device by its id."""
        _read(self.call("POST", f"/msgpush/unregister/{device}"))

    def device(self, device: str) -> Device:
        """A registered device as transports get it, by its id."""
        found = self.gateway.find_device(device)
        assert found is not None, "there is no such device"
        return found

    def try_send(self, *audiences: str, **fields: Any) -> Result:
        """Send, and take the answer as it comes. ``fields``: as in the body of /msgpush/send."""
        body: Json = {"appId": self.id, "appKey": self.key, "platform": "ALL", "audienceType": "ALIAS"}
        body |= {"audiences": list(audiences), "alert": "hello"}
        return self.call("POST", "/msgpush/send", json={**body, **fields})

    def send(self, *audiences: str, **fields: Any) -> str:
        """Send to aliases, or to whom ``audienceType`` says, and wait for the first round; the request id."""
        request: str = _read(self.try_send(*audiences, **fields))["requestId"]
        self._settle()
        return request

    def status(self, request: str) -> Json:
        """What became of a message."""
        return _read(self.call("GET", f"/v1/messages/{request}"))

    def counts(self, request: str) -> dict[str, int]:
        """The counts of a message that are not zero."""
        return {state: number for state, number in self.status(request)["counts"].items() if number}

    def deliveries(self, request: str) -> list[Json]:
        """What became of a message, device by device, at most a thousand."""
        answer = self.call("GET", f"/v1/messages/{request}/deliveries", params={"limit": 1000})
        found: list[Json] = _read(answer)["deliveries"]
        return found

    def trail(self, request: str, device: str | None = None) -> list[tuple[str, str, str | None]]:
        """(transport, outcome, reason) of each line of the trail: of one device, or of all in turn."""
        return [
            (line["transport"], line["outcome"], line.get("reason"))
            for delivery in self.deliveries(request)
            if device in (None, delivery["deviceId"])
            for line in delivery["trail"]
        ]

    def cancel(self, request: str) -> Json:
        """Cancel a message; its status."""
        return _read(self.call("DELETE", f"/v1/messages/{request}"))


def _read(answer: Result) -> Json:
    """The body of a good answer. Raises AssertionError that quotes any other."""
    assert answer.status_code == 200, f"{answer.status}: {answer.text}"
    body: Json = answer.json if answer.content else {}
    return body
