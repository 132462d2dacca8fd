"""/apps: admin calls that create and show apps."""

from __future__ import annotations

import falcon
import msgspec

from onepush_core.api import strict_json
from onepush_core.api.authentication import AdminGate
from onepush_core.api.body import BodyReader, is_type
from onepush_core.api.fields import convert
from onepush_core.api.parameters import is_opaque_id
from onepush_core.api.schemas import CreateAppRequest, CreatedApp
from onepush_core.errors import InvalidField, UnknownApp, UnsupportedMediaType
from onepush_core.gateway import Gateway


class AppCollection:
    """POST /apps/."""

    def __init__(self, gateway: Gateway, gate: AdminGate, reader: BodyReader) -> None:
        self._gateway = gateway
        self._gate = gate
        self._reader = reader

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Create an app and show its key, this once."""
        self._gate.require(req)
        name = name_of(req.content_type, self._reader.read(req))
        created = self._gateway.create_app(name)
        answer = CreatedApp(id=created["appId"], name=created["name"], app_key=created["appKey"])
        resp.data = msgspec.json.encode(answer)
        resp.set_header("Cache-Control", "no-store")


class AppItem:
    """GET /apps/{app_id}."""

    def __init__(self, gateway: Gateway, gate: AdminGate) -> None:
        self._gateway = gateway
        self._gate = gate

    def on_get(self, req: falcon.Request, resp: falcon.Response, app_id: str) -> None:
        """Answer the app without its key."""
        self._gate.require(req)
        if not is_opaque_id(app_id):
            raise UnknownApp
        resp.data = msgspec.json.encode(self._gateway.find_app(app_id))

    on_head = on_get


def name_of(content_type: str | None, body: bytes) -> str:
    """The app's name: the whole body as text/plain, or ``{"name": …}``.

    Raises ``UnsupportedMediaType``, ``InvalidJson``, ``InvalidField``; bounds are the gateway's business.
    """
    content_type = content_type or "text/plain"
    if is_type(content_type, "application/json"):
        return convert(strict_json.parse(body), CreateAppRequest).name
    if not is_type(content_type, "text/plain"):
        raise UnsupportedMediaType("this path takes application/json or text/plain in UTF-8")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise InvalidField("name", "not valid UTF-8") from None
