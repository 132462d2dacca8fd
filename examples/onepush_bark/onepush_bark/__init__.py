"""onepush-bark: the Bark transport of onepush. ``create`` is what the entry point names."""

from __future__ import annotations

from typing import Any

from onepush_bark.plugin import BarkPlugin
from onepush_bark.settings import read_settings

__version__ = "0.1.0"

__all__ = ["BarkPlugin", "create"]


def create(table: dict[str, Any]) -> BarkPlugin:
    """Make the plugin from its table of settings. Raises ConfigurationError."""
    return BarkPlugin(read_settings(table))
