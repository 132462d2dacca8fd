"""onepush-ws: the WebSocket transport of onepush. ``create`` is what the core's entry point names."""

from __future__ import annotations

from typing import Any

from onepush_ws.plugin import WebSocketPlugin
from onepush_ws.settings import read_settings

__version__ = "0.1.0"

__all__ = ["WebSocketPlugin", "create"]


def create(table: dict[str, Any]) -> WebSocketPlugin:
    """Make the plugin from its table of settings. Raises ConfigurationError."""
    return WebSocketPlugin(read_settings(table))
