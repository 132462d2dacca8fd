"""/msgpush: register, unregister, send. The paths and names of the one-push API."""

from __future__ import annotations

import falcon
import msgspec

from onepush_core.api.body import BodyReader
from onepush_core.api.fields import require_text
from onepush_core.api.idempotency import REPLAYED, idempotency_of
from onepush_core.api.parameters import is_opaque_id
from onepush_core.api.schemas import RegisterAnswer, RegisterRequest, SendAnswer, SendRequest
from onepush_core.api.translation import to_draft, to_registration
from onepush_core.errors import UnknownApp, UnknownDevice
from onepush_core.gateway import Gateway

_encode = msgspec.json.Encoder().encode


class Register:
    """POST /msgpush/register: open to whoever knows the app's id."""

    def __init__(self, gateway: Gateway, reader: BodyReader) -> None:
        self._gateway = gateway
        self._reader = reader

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Insert or update the device and answer its id."""
        request = self._reader.read_json(req, RegisterRequest)
        app_id = require_text("appId", request.app_id, 4096)
        registration = to_registration(request)
        if not is_opaque_id(app_id):
            raise UnknownApp
        resp.data = _encode(RegisterAnswer(id=self._gateway.register(app_id, registration)))


class Unregister:
    """POST /msgpush/unregister/{device_id}."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def on_post(self, _req: falcon.Request, _resp: falcon.Response, device_id: str) -> None:
        """Mark the device inactive; the answer is empty, and the same the second time."""
        if not is_opaque_id(device_id):
            raise UnknownDevice
        self._gateway.unregister(device_id)


class Send:
    """POST /msgpush/send."""

    def __init__(self, gateway: Gateway, reader: BodyReader) -> None:
        self._gateway = gateway
        self._reader = reader
        self._monotonic = gateway.clock.monotonic
        self._accepted = gateway.metrics.accepted

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Store the message, then answer its id.

        What depends on the body alone is checked first, then the key, then what depends on the
        installation: who has no key learns nothing about apps or plugins.
        """
        request = self._reader.read_json(req, SendRequest)
        started = self._monotonic()
        draft = to_draft(request)
        idempotency = idempotency_of(req, draft)
        app = self._gateway.authenticate(
            require_text("appId", request.app_id, 4096), require_text("appKey", request.app_key, 4096)
        )
        request_id, replayed = self._gateway.send(app, draft, idempotency)
        resp.data = _encode(SendAnswer(request_id=request_id, warning=self._gateway.warning))
        if replayed:
            resp.set_header(REPLAYED, "true")
        else:
            self._accepted(self._monotonic() - started)
