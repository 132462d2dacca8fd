"""/v1/devices: a person's devices."""

from __future__ import annotations

import falcon
import msgspec

from onepush_core.api.authentication import AppGate
from onepush_core.api.parameters import page_of, required_parameter
from onepush_core.gateway import Gateway


class DeviceCollection:
    """GET /v1/devices?alias=."""

    def __init__(self, gateway: Gateway, gate: AppGate) -> None:
        self._gateway = gateway
        self._gate = gate

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer a page of the alias's devices and whether each is online."""
        app = self._gate.app_of(req)
        alias = required_parameter(req, "alias", 256)
        cursor, limit = page_of(req)
        resp.data = msgspec.json.encode(self._gateway.devices(app, alias, cursor, limit))

    on_head = on_get
