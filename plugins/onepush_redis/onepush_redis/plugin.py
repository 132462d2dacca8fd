"""The plugin object: offers the bus to the core, and shows its metrics."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from onepush_core import Bus, Gateway, hookimpl
from onepush_redis.address import SCHEMES, read_address
from onepush_redis.metrics import Metrics
from onepush_redis.redis_bus import RedisBus
from onepush_redis.settings import Settings

IDLE = "no bus over Redis: onepush serve --bus redis://host"


class RedisPlugin:
    """``bus_schemes``: of the URLs for which the core asks ``open_bus``. ``idle_reason``: until it does."""

    bus_schemes = SCHEMES

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics = Metrics()
        self._registry: CollectorRegistry | None = None
        self.idle_reason: str | None = IDLE

    def open_bus(self, url: str, monotonic: Callable[[], float]) -> Bus:
        """The bus over this server; it connects when it is started. Raises ConfigurationError."""
        bus = RedisBus(read_address(url, self._settings), self._settings, monotonic, self._metrics)
        if self.idle_reason is not None:
            self.idle_reason = None
            self._show_metrics()
        return bus

    @hookimpl
    def startup(self, gateway: Gateway) -> None:
        """Show the metrics, if there is a bus, or as soon as there is one."""
        self._registry = gateway.metrics.registry
        self._show_metrics()

    def _show_metrics(self) -> None:
        if self._registry is not None and self.idle_reason is None:
            self._metrics.register(self._registry)
