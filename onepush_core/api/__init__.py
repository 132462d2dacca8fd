"""The REST API: ``create_app`` makes the WSGI application, ``mount`` adds the routes of plugins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import falcon

from onepush_core.api import errors
from onepush_core.api.apps import AppCollection, AppItem
from onepush_core.api.authentication import AdminGate, AppGate
from onepush_core.api.body import BodyReader
from onepush_core.api.connection import Environ, StartResponse, takeover
from onepush_core.api.devices import DeviceCollection
from onepush_core.api.messages import MessageDeliveries, MessageItem
from onepush_core.api.msgpush import Register, Send, Unregister
from onepush_core.api.openapi import make_document
from onepush_core.api.operations import Document, Exposition, Live, Ready, RequestCounter
from onepush_core.api.routes import RouteTable
from onepush_core.gateway import Gateway

__all__ = ["Application", "create_app", "mount"]


class Application:
    """The WSGI callable: Falcon, its routes, and what becomes of the connection afterwards."""

    def __init__(self, app: falcon.App[Any, Any]) -> None:
        self.routes = RouteTable(app)
        self._answer = takeover(app)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333). Raises ``StopIteration`` when a resource took the socket over."""
        return self._answer(environ, start_response)


def create_app(gateway: Gateway) -> Application:
    """The application of a gateway, with the core's routes."""
    app: falcon.App[Any, Any] = falcon.App(middleware=[RequestCounter(gateway.metrics)])
    app.req_options.strip_url_path_trailing_slash = True
    errors.install(app)
    application = Application(app)
    mount(application, _core_routes(gateway), owner="the core")
    return application


def mount(app: Application, routes: Iterable[tuple[str, object]], owner: str = "a plugin") -> None:
    """Add resources at paths. Raises ``ConfigurationError`` where a path is taken."""
    app.routes.mount(routes, owner)


def _core_routes(gateway: Gateway) -> list[tuple[str, object]]:
    server = gateway.settings.server
    reader = BodyReader(server.max_body, server.body_deadline)
    apps, admin = AppGate(gateway), AdminGate(server.admin_token)
    return [
        ("/msgpush/register", Register(gateway, reader)),
        ("/msgpush/unregister/{device_id}", Unregister(gateway)),
        ("/msgpush/send", Send(gateway, reader)),
        ("/v1/messages/{message_id}", MessageItem(gateway, apps)),
        ("/v1/messages/{message_id}/deliveries", MessageDeliveries(gateway, apps)),
        ("/v1/devices", DeviceCollection(gateway, apps)),
        ("/apps", AppCollection(gateway, admin, reader)),
        ("/apps/{app_id}", AppItem(gateway, admin)),
        ("/health/live", Live()),
        ("/health/ready", Ready(gateway)),
        ("/metrics", Exposition(gateway.metrics)),
        ("/openapi.json", Document(make_document)),
    ]
