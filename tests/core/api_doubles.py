"""A gateway that remembers what the API asked of it, and a client for an application on top of it."""

import msgspec
from falcon.testing import TestClient

from onepush_core.api import create_app
from onepush_core.errors import AuthenticationFailed, UnknownApp, UnknownDevice, UnknownMessage
from onepush_core.metrics import Metrics
from onepush_core.objects import App
from onepush_core.roster import PluginState
from onepush_core.settings import ServerSettings
from onepush_core.testing import ManualClock

APP = App(key=1, id="app-1", name="demo")
KEY = "k" * 43
ADMIN = "an-admin-token"

STATUS = {
    "requestId": "m-1",
    "state": "active",
    "acceptedAt": "2026-01-01T00:00:00Z",
    "expiresAt": "2026-01-04T00:00:00Z",
    "total": 1,
    "counts": {"pending": 1, "confirmed": 0, "handedOff": 0, "expired": 0, "cancelled": 0, "dropped": 0},
    "transports": {},
}


class SomeSettings(msgspec.Struct):
    server: ServerSettings


class RecordingGateway:
    """Knows one app, one device and one message; ``calls`` holds what was asked, in order."""

    warning = None

    def __init__(self, **server):
        self.settings = SomeSettings(ServerSettings(**{"admin_token": ADMIN, **server}))
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.calls = []
        self.answer = ("m-1", False)
        self.failures = {}

    def _note(self, name, *arguments):
        self.calls.append((name, *arguments))
        if name in self.failures:
            raise self.failures[name]

    def named(self, name):
        """The arguments of each call of this name."""
        return [call[1:] for call in self.calls if call[0] == name]

    def authenticate(self, app_id, secret):
        self._note("authenticate", app_id, secret)
        if (app_id, secret) != (APP.id, KEY):
            raise AuthenticationFailed
        return APP

    def send(self, app, draft, idempotency=None):
        self._note("send", app, draft, idempotency)
        return self.answer

    def register(self, app_id, registration):
        self._note("register", app_id, registration)
        if app_id != APP.id:
            raise UnknownApp
        return "d-1"

    def unregister(self, device_id):
        self._note("unregister", device_id)
        if device_id != "d-1":
            raise UnknownDevice

    def status(self, app, message_id):
        self._note("status", app, message_id)
        if message_id != "m-1":
            raise UnknownMessage
        return STATUS

    def cancel(self, app, message_id):
        self._note("cancel", app, message_id)
        return {**STATUS, "state": "cancelled"}

    def deliveries(self, app, message_id, cursor, limit):
        self._note("deliveries", app, message_id, cursor, limit)
        return {"deliveries": [], "next": None}

    def devices(self, app, alias, cursor, limit):
        self._note("devices", app, alias, cursor, limit)
        return {"devices": [], "next": None}

    def create_app(self, name):
        self._note("create_app", name)
        return {"appId": "app-2", "appKey": KEY, "name": name.strip()}

    def find_app(self, app_id):
        self._note("find_app", app_id)
        if app_id != APP.id:
            raise UnknownApp
        return {"id": APP.id, "name": APP.name, "enabled": True, "createdAt": "2026-01-01T00:00:00Z"}

    def plugin_states(self):
        return [PluginState("ws", "1.0", ["deliver"], "active", None)]

    def probe_commit(self):
        self._note("probe_commit")

    def probe_dispatch(self):
        self._note("probe_dispatch")

    def probe_cluster(self):
        self._note("probe_cluster")


def client_of(gateway):
    """A client for the API on top of this gateway."""
    return TestClient(create_app(gateway))


def send_body(**changes):
    """A send with only the required fields; a change to ... leaves a field out."""
    body = {
        "appId": APP.id,
        "appKey": KEY,
        "platform": "ALL",
        "audienceType": "ALIAS",
        "audiences": ["alice"],
        "alert": "hello",
    }
    body.update(changes)
    return {name: value for name, value in body.items() if value is not ...}


def register_body(**changes):
    """The same for a registration."""
    body = {"appId": APP.id, "alias": "alice", "platform": "ANDROID", "nativeToken": "token-1"}
    body.update(changes)
    return {name: value for name, value in body.items() if value is not ...}


def error(code, message):
    """The body of an error."""
    return {"code": code, "message": message}
