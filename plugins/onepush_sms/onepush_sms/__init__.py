"""onepush-sms: the SMS transport of onepush. ``create`` is what the core's entry point names."""

from __future__ import annotations

from typing import Any

from onepush_sms.plugin import SmsPlugin
from onepush_sms.settings import read_settings

__version__ = "0.1.0"

__all__ = ["SmsPlugin", "create"]


def create(table: dict[str, Any]) -> SmsPlugin:
    """Make the plugin from its table of settings. Raises ConfigurationError."""
    return SmsPlugin(read_settings(table))
