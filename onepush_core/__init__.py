"""onepush-core: a push gateway whose channels are plugins. This module is its public door."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onepush_core.api.authentication import AppGate
    from onepush_core.api.body import BodyReader
    from onepush_core.api.parameters import optional_parameter, page_of
    from onepush_core.api.translation import to_selector
    from onepush_core.audiences import Audience
    from onepush_core.breaker import Breaker
    from onepush_core.cluster.bus import Bus
    from onepush_core.errors import (
        AuthenticationFailed,
        BusUnavailable,
        ConfigurationError,
        InvalidAudience,
        InvalidField,
        OnepushError,
        Overloaded,
        UnknownDevice,
    )
    from onepush_core.gateway import Gateway
    from onepush_core.hookspecs import hookimpl
    from onepush_core.http_client import HttpAnswer, HttpClient, NoAnswer
    from onepush_core.objects import (
        App,
        Credentials,
        Device,
        Devices,
        Draft,
        Message,
        Outcome,
        Outcomes,
        Receipt,
        Registration,
        Selector,
        Status,
    )
    from onepush_core.settings import setting_problem
    from onepush_core.store.audience import KeyQuery
    from onepush_core.store.transaction import Transaction

__version__ = "0.1.0"
API_VERSION = (1, 0)
"""The version of what plugins rely on: the hooks, this door, and what the gateway offers them."""

__all__ = [
    "API_VERSION",
    "App",
    "AppGate",
    "Audience",
    "AuthenticationFailed",
    "BodyReader",
    "Breaker",
    "Bus",
    "BusUnavailable",
    "ConfigurationError",
    "Credentials",
    "Device",
    "Devices",
    "Draft",
    "Gateway",
    "HttpAnswer",
    "HttpClient",
    "InvalidAudience",
    "InvalidField",
    "KeyQuery",
    "Message",
    "NoAnswer",
    "OnepushError",
    "Outcome",
    "Outcomes",
    "Overloaded",
    "Receipt",
    "Registration",
    "Selector",
    "Status",
    "Transaction",
    "UnknownDevice",
    "hookimpl",
    "optional_parameter",
    "page_of",
    "setting_problem",
    "to_selector",
]

_HOMES = {
    "api.authentication": ("AppGate",),
    "api.body": ("BodyReader",),
    "api.parameters": ("optional_parameter", "page_of"),
    "api.translation": ("to_selector",),
    "audiences": ("Audience",),
    "cluster.bus": ("Bus",),
    "errors": (
        "AuthenticationFailed",
        "BusUnavailable",
        "ConfigurationError",
        "InvalidAudience",
        "InvalidField",
        "OnepushError",
        "Overloaded",
        "UnknownDevice",
    ),
    "gateway": ("Gateway",),
    "hookspecs": ("hookimpl",),
    "http_client": ("HttpAnswer", "HttpClient", "NoAnswer"),
    "objects": (
        "App",
        "Credentials",
        "Device",
        "Devices",
        "Draft",
        "Message",
        "Outcome",
        "Outcomes",
        "Receipt",
        "Registration",
        "Selector",
        "Status",
    ),
    "breaker": ("Breaker",),
    "settings": ("setting_problem",),
    "store.audience": ("KeyQuery",),
    "store.transaction": ("Transaction",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import on first use: the command must be able to let gevent patch before anything is imported."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
