"""Opening the bus between workers that the settings name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from onepush_core.cluster.bus import Bus
from onepush_core.errors import ConfigurationError


def open_bus(url: str | None, plugins: Iterable[Any], monotonic: Callable[[], float]) -> Bus | None:
    """The bus that one of the plugins brings for this URL; None without one. Raises ConfigurationError."""
    if url is None:
        return None
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise ConfigurationError("cluster.bus: not a URL: redis://host:port")
    for plugin in plugins:
        if scheme in getattr(plugin, "bus_schemes", ()):
            bus: Bus = plugin.open_bus(url, monotonic)
            return bus
    raise ConfigurationError(f"cluster.bus: no plugin takes {scheme}:// (is onepush-redis installed?)")
