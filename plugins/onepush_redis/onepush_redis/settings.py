"""The plugin's settings: the table ``[redis]``, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from onepush_core import ConfigurationError

Seconds = Annotated[float, Meta(ge=0.05, le=10)]
Text = Annotated[str, Meta(min_length=1)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table ``[redis]``. Times are seconds.

    ``prefix``: what the names of keys and channels begin with; one for each installation on a server.
    ``timeout``: for connecting, and for one call. ``heartbeat``: how often a worker says that it lives
    and is complete; after three it is not believed any more. ``pool``: look-ups at a time.
    ``queue_messages``, ``queue_bytes``: payloads that may wait to be sent, or to be received; what is over
    is dropped. ``username``, ``password``: in place of those in the address, which a command line shows to
    everybody on the machine. ``ca``, ``certificate``, ``key``: PEM files for ``rediss://``.
    """

    prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")] = "onepush"
    timeout: Seconds = 1.0
    heartbeat: Seconds = 1.0
    pool: Annotated[int, Meta(ge=1, le=64)] = 4
    queue_messages: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    queue_bytes: Annotated[int, Meta(ge=65_536, le=1 << 30)] = 8_388_608
    username: Text | None = None
    password: Text | None = None
    ca: Text | None = None
    certificate: Text | None = None
    key: Text | None = None

    def __repr__(self) -> str:
        return f"Settings(prefix={self.prefix!r}, …)"


def read_settings(table: dict[str, Any]) -> Settings:
    """Check the table ``[redis]``. Raises ConfigurationError that names the key."""
    try:
        settings = msgspec.convert(table, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"[redis] {error}") from None
    if settings.key is not None and settings.certificate is None:
        raise ConfigurationError("[redis] certificate: required beside key")
    if settings.username is not None and settings.password is None:
        raise ConfigurationError("[redis] password: required beside username")
    for name in ("ca", "certificate", "key"):
        path = getattr(settings, name)
        if path is not None and not Path(path).is_file():
            raise ConfigurationError(f"[redis] {name}: there is no such file")
    return settings
