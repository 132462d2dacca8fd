"""onepush-redis: bus and presence over Redis or Valkey. ``create`` is what the core's entry point names."""

from __future__ import annotations

from typing import Any

from onepush_redis.plugin import RedisPlugin
from onepush_redis.settings import read_settings

__version__ = "0.1.0"

__all__ = ["RedisPlugin", "create"]


def create(table: dict[str, Any]) -> RedisPlugin:
    """Make the plugin from its table of settings. Raises ConfigurationError."""
    return RedisPlugin(read_settings(table))
