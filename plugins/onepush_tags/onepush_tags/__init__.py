"""onepush-tags: audiences of tagged devices. ``create`` is what the core's entry point names."""

from __future__ import annotations

from typing import Any

from onepush_core import ConfigurationError
from onepush_tags.plugin import TagsPlugin

__version__ = "0.1.0"

__all__ = ["TagsPlugin", "create"]


def create(table: dict[str, Any]) -> TagsPlugin:
    """Make the plugin; the table ``[tags]`` has no keys yet. Raises ConfigurationError for any."""
    for key in table:
        raise ConfigurationError(f"[tags] {key}: unknown setting")
    return TagsPlugin()
