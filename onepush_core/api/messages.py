"""/v1/messages: what became of a message, and calling it off."""

from __future__ import annotations

import falcon
import msgspec

from onepush_core.api.authentication import AppGate
from onepush_core.api.parameters import is_opaque_id, page_of
from onepush_core.errors import UnknownMessage
from onepush_core.gateway import Gateway


class MessageItem:
    """GET and DELETE /v1/messages/{message_id}."""

    def __init__(self, gateway: Gateway, gate: AppGate) -> None:
        self._gateway = gateway
        self._gate = gate

    def on_get(self, req: falcon.Request, resp: falcon.Response, message_id: str) -> None:
        """Answer state, counts and times."""
        app = self._gate.app_of(req)
        resp.data = msgspec.json.encode(self._gateway.status(app, _known(message_id)))

    on_head = on_get

    def on_delete(self, req: falcon.Request, resp: falcon.Response, message_id: str) -> None:
        """Cancel what is pending and answer the status; again: the same."""
        app = self._gate.app_of(req)
        resp.data = msgspec.json.encode(self._gateway.cancel(app, _known(message_id)))


class MessageDeliveries:
    """GET /v1/messages/{message_id}/deliveries."""

    def __init__(self, gateway: Gateway, gate: AppGate) -> None:
        self._gateway = gateway
        self._gate = gate

    def on_get(self, req: falcon.Request, resp: falcon.Response, message_id: str) -> None:
        """Answer a page of deliveries with their trails."""
        app = self._gate.app_of(req)
        cursor, limit = page_of(req)
        page = self._gateway.deliveries(app, _known(message_id), cursor, limit)
        resp.data = msgspec.json.encode(page)

    on_head = on_get


def _known(message_id: str) -> str:
    if not is_opaque_id(message_id):
        raise UnknownMessage
    return message_id
