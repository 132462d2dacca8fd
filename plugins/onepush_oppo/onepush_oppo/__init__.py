"""onepush-oppo: the OPPO PUSH transport of onepush. ``create`` is what the core's entry point names."""

from __future__ import annotations

from typing import Any

from onepush_oppo.plugin import OppoPlugin
from onepush_oppo.settings import read_settings

__version__ = "0.1.0"

__all__ = ["OppoPlugin", "create"]


def create(table: dict[str, Any]) -> OppoPlugin:
    """Make the plugin from its table of settings. Raises ConfigurationError."""
    return OppoPlugin(read_settings(table))
