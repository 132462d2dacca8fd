"""onepush-pigeon: the Pigeon transport of onepush. ``create`` is what the entry point names."""

from __future__ import annotations

from typing import Any

from onepush_pigeon.plugin import PigeonPlugin
from onepush_pigeon.settings import read_settings

__version__ = "0.1.0"

__all__ = ["PigeonPlugin", "create"]


def create(table: dict[str, Any]) -> PigeonPlugin:
    """Make the plugin from its table of settings. Raises ConfigurationError."""
    return PigeonPlugin(read_settings(table))
