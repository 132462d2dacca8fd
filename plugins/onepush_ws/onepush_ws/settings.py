"""The plugin's settings: the table ``[ws]``, checked."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from onepush_core import ConfigurationError, setting_problem

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Bytes = Annotated[int, Meta(ge=65_536, le=1 << 30)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table ``[ws]``. Times are seconds.

    ``origins``: web origins that may connect besides the gateway's own; ``*`` lets in every one.
    ``ping_interval``, ``ping_timeout``: how often a silent peer is asked, and how long it may take.
    ``max_connections``: open sockets of one worker. ``out_bytes``: what may wait for one slow reader.
    ``drain_seconds``: over how long the sockets are closed when the worker stops.
    ``handshake_seconds``: for finding the device. ``backlog_readers``: backlogs read at a time.
    ``page``: whether the try-out page is served at ``/``.
    """

    origins: tuple[str, ...] = ()
    ping_interval: Seconds = 25.0
    ping_timeout: Seconds = 8.0
    max_connections: Count = 15_000
    out_bytes: Bytes = 1_048_576
    drain_seconds: Annotated[float, Meta(ge=0, le=2.5)] = 1.5
    handshake_seconds: Seconds = 5.0
    backlog_readers: Annotated[int, Meta(ge=1, le=256)] = 8
    page: bool = True


def read_settings(table: dict[str, Any]) -> Settings:
    """Check the table ``[ws]``. Raises ConfigurationError that names the key."""
    try:
        settings = msgspec.convert(table, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"[ws] {setting_problem(str(error))}") from None
    if settings.ping_timeout >= settings.ping_interval:
        raise ConfigurationError("[ws] ping_timeout: must be less than ping_interval")
    return settings
