"""onepush-core: a push gateway whose channels are plugins. This module is its public door."""

from onepush_core.api.authentication import AppGate
from onepush_core.api.body import BodyReader
from onepush_core.api.translation import to_selector
from onepush_core.audiences import Audience
from onepush_core.errors import (
    AuthenticationFailed,
    ConfigurationError,
    InvalidAudience,
    InvalidField,
    OnepushError,
    UnknownDevice,
)
from onepush_core.gateway import Gateway
from onepush_core.hookspecs import hookimpl
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
    Selector,
    Status,
)
from onepush_core.outlets import Breaker
from onepush_core.store.audience import KeyQuery
from onepush_core.store.transaction import Transaction

__version__ = "0.1.0"

__all__ = [
    "App",
    "AppGate",
    "Audience",
    "AuthenticationFailed",
    "BodyReader",
    "Breaker",
    "ConfigurationError",
    "Credentials",
    "Device",
    "Devices",
    "Draft",
    "Gateway",
    "InvalidAudience",
    "InvalidField",
    "KeyQuery",
    "Message",
    "OnepushError",
    "Outcome",
    "Outcomes",
    "Receipt",
    "Selector",
    "Status",
    "Transaction",
    "UnknownDevice",
    "hookimpl",
    "to_selector",
]
