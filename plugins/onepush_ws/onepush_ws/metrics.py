"""The plugin's Prometheus metrics. No ids as labels."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class Metrics:
    """Registered once per gateway."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sockets = Gauge("onepush_ws_open_sockets", "Devices connected.", registry=registry)
        self.frames = Counter("onepush_ws_frames_sent", "Message frames written.", registry=registry)
        self.confirms = Counter("onepush_ws_confirms", "Confirm frames received.", registry=registry)
        self.ignored = Counter("onepush_ws_ignored_frames", "Texts that mean nothing.", registry=registry)
        self.closes = Counter("onepush_ws_closes", "Connections closed.", ["code"], registry=registry)
