"""For those who run the gateway: /health/live, /health/ready, /metrics, /openapi.json."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import falcon
import msgspec
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from onepush_core.api.schemas import PluginReadiness, Readiness
from onepush_core.gateway import Gateway
from onepush_core.health import Health
from onepush_core.metrics import Metrics


class Live:
    """GET /health/live."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """The process answers: that is all it says."""
        resp.data = b'{"status":"live"}'

    on_head = on_get


class Ready:
    """GET /health/ready."""

    def __init__(self, gateway: Gateway) -> None:
        probes = {
            "commit": gateway.probe_commit,
            "dispatch": gateway.probe_dispatch,
            "cluster": gateway.probe_cluster,
        }
        self._health = Health(probes, gateway.clock.monotonic)
        self._plugin_states = gateway.plugin_states

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """200 or 503, and which probe failed."""
        report = self._health.check()
        answer = Readiness(
            status="ready" if report.ready else "not ready",
            commit="ok" if report.probes["commit"] else "failed",
            dispatch="ok" if report.probes["dispatch"] else "failed",
            cluster="ok" if report.probes["cluster"] else "failed",
            plugins={one.name: PluginReadiness(one.state, one.reason) for one in self._plugin_states()},
        )
        resp.status = 200 if report.ready else 503
        resp.data = msgspec.json.encode(answer)

    on_head = on_get


class Exposition:
    """GET /metrics, in Prometheus' text format."""

    def __init__(self, metrics: Metrics) -> None:
        self._registry = metrics.registry

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Answer all metrics of this gateway."""
        resp.content_type = CONTENT_TYPE_PLAIN_0_0_4
        resp.data = generate_latest(self._registry)

    on_head = on_get


class Document:
    """GET a constant JSON document, which is made when somebody asks for it."""

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Answer it."""
        resp.data = msgspec.json.encode(self._make())

    on_head = on_get


class RequestCounter:
    """Falcon middleware: counts answers by method, route template and status."""

    def __init__(self, metrics: Metrics) -> None:
        self._count = metrics.request

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, _succeeded: bool
    ) -> None:
        """Called by Falcon after every request. Unknown paths and methods share one label."""
        route = req.uri_template or "unknown"
        method = req.method if resource is not None and req.method in falcon.HTTP_METHODS else "other"
        self._count(method, route, str(falcon.http_status_to_code(resp.status)))
