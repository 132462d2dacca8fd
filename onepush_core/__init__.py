"""onepush-core: a push gateway whose channels are plugins. This module is its public door."""

from onepush_core.errors import (
    AuthenticationFailed,
    ConfigurationError,
    InvalidAudience,
    InvalidField,
    OnepushError,
)
from onepush_core.gateway import Gateway
from onepush_core.hookspecs import hookimpl
from onepush_core.objects import (
    App,
    Credentials,
    Device,
    Draft,
    Message,
    Outcome,
    Receipt,
    Selector,
    Status,
)
from onepush_core.store.audience import KeyQuery
from onepush_core.store.transaction import Transaction

__version__ = "0.1.0"

__all__ = [
    "App",
    "AuthenticationFailed",
    "ConfigurationError",
    "Credentials",
    "Device",
    "Draft",
    "Gateway",
    "InvalidAudience",
    "InvalidField",
    "KeyQuery",
    "Message",
    "OnepushError",
    "Outcome",
    "Receipt",
    "Selector",
    "Status",
    "Transaction",
    "hookimpl",
]
