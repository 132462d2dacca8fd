"""What Prometheus sees of the bus. Labels take few values: no workers, devices or hosts."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)


class Metrics:
    """Made with the bus; ``register`` puts them into the gateway's registry."""

    def __init__(self) -> None:
        self.published = Counter(
            "onepush_redis_published", "Payloads that the server took for others.", registry=None
        )
        self.dropped = Counter(
            "onepush_redis_dropped", "Payloads that were not sent, or not taken.", ["reason"], registry=None
        )
        self.received = Counter("onepush_redis_received", "Payloads that came from others.", registry=None)
        self.reconnects = Counter(
            "onepush_redis_reconnects", "Attempts to connect again.", ["link"], registry=None
        )
        self.resets = Counter(
            "onepush_redis_resets", "Times that all devices were written anew.", registry=None
        )
        self.complete = Gauge(
            "onepush_redis_complete", "1 while all devices held here are in Redis.", registry=None
        )
        self.lookups = Counter(
            "onepush_redis_lookups", "Look-ups of holders, by answer.", ["answer"], registry=None
        )
        self.lookup_seconds = Histogram(
            "onepush_redis_lookup_seconds",
            "How long look-ups took that asked the server.",
            buckets=_SECONDS,
            registry=None,
        )

    def watch(self, complete: Callable[[], bool]) -> None:
        """Where the gauge reads."""
        self.complete.set_function(lambda: float(complete()))

    def register(self, registry: CollectorRegistry) -> None:
        """Show them there. Once for each registry."""
        for metric in vars(self).values():
            registry.register(metric)
