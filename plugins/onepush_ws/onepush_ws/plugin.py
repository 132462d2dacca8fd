"""The plugin object: onepush's hooks, and how the parts are put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import gevent

from onepush_core import Devices, Gateway, Message, Outcome, Outcomes, hookimpl
from onepush_ws.delivery import deliver
from onepush_ws.drain import Drain
from onepush_ws.farewell import close_all, close_some
from onepush_ws.handshake import WebSocketResource
from onepush_ws.hub import Hub
from onepush_ws.metrics import Metrics
from onepush_ws.page import page_routes
from onepush_ws.poller import Poller
from onepush_ws.protocol import CloseCode
from onepush_ws.reader import Reader
from onepush_ws.reports import Reports
from onepush_ws.settings import Settings
from onepush_ws.sweep import Sweep

_REPORT_DELAY = 0.01
"""Seconds in which the outcomes of one message are put together."""


class Parts(NamedTuple):
    """What one gateway's sockets need."""

    hub: Hub
    reader: Reader
    poller: Poller
    drain: Drain
    reports: Reports
    sweep: Sweep


def assemble(gateway: Gateway, settings: Settings) -> Parts:
    """Make the parts; nothing runs yet."""
    poller = Poller()
    drain = Drain(gateway)
    reports = Reports(gateway, _later)
    metrics = Metrics(gateway.metrics.registry)
    hub = Hub(gateway, settings, poller, reports, metrics, drain.add)
    metrics.sockets.set_function(lambda: len(hub.connections))
    reader = Reader(hub, gateway)
    return Parts(hub, reader, poller, drain, reports, Sweep(hub, reader, settings))


def _later(action: Callable[[], None]) -> None:
    gevent.spawn_later(_REPORT_DELAY, action)


class WebSocketPlugin:
    """The hooks. Serves one gateway."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._parts: Parts | None = None

    def _parts_for(self, gateway: Gateway) -> Parts:
        if self._parts is None:
            self._parts = assemble(gateway, self._settings)
        return self._parts

    @hookimpl
    def register_routes(self, gateway: Gateway) -> Iterable[tuple[str, object]]:
        """The socket's address, and the page to try it out."""
        parts = self._parts_for(gateway)
        sockets = WebSocketResource(gateway, parts.hub, parts.reader, self._settings)
        pages = page_routes() if self._settings.page else []
        return [("/msgpush.ws", sockets), *pages]

    @hookimpl
    def startup(self, gateway: Gateway) -> None:
        """Begin to watch sockets."""
        parts = self._parts_for(gateway)
        parts.poller.start(parts.reader.on_ready)
        parts.drain.start(parts.hub, self._settings.backlog_readers)
        parts.sweep.start()
        gateway.on("device_removed", parts.hub.close_device)
        gateway.on("device_rebound", parts.hub.forget_queue)
        gateway.on("device_moved", parts.hub.close_moved)
        gateway.on("device_coming", parts.hub.pause)
        gateway.on("device_stays", parts.hub.resume)
        gateway.on("worker_paused", lambda _: parts.hub.start_over())
        gateway.on("app_disabled", self._close_app)

    @hookimpl
    def shutdown(self) -> None:
        """Say goodbye to every connection, spread over ``drain_seconds``."""
        if self._parts is None:
            return
        parts, self._parts = self._parts, None
        parts.hub.stopping = True
        close_all(parts.hub, self._settings.drain_seconds)
        parts.sweep.stop()
        parts.drain.stop()
        parts.reports.flush()
        parts.poller.close()

    @hookimpl(tryfirst=True)
    def deliver(self, message: Message, devices: Devices) -> Iterable[Outcome | Outcomes]:
        """Take the devices that have an open socket here."""
        return () if self._parts is None else deliver(self._parts.hub, message, devices)

    def _close_app(self, app: int) -> None:
        if self._parts is None:
            return
        hub = self._parts.hub
        hub.removals += 1
        gevent.spawn(close_some, hub, lambda one: one.app == app, CloseCode.APP_DISABLED, "app disabled")
