"""The plugin's settings: the table ``[bark]``, checked."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from onepush_bark.options import NO_OPTIONS, Options, UnfitOption, read_options
from onepush_core import ConfigurationError

Url = Annotated[str, Meta(pattern=r"^https?://[^/?#@]+(/[^?#]*)?$")]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``url``: of the Bark server. ``user``, ``password``: HTTP Basic. ``batch``: keys in one call.

    ``timeout``: seconds for one call. ``notification``: defaults of ``options.bark``.
    """

    url: Url | None = None
    user: str = ""
    password: str = ""
    batch: Annotated[int, Meta(ge=1, le=1000)] = 10
    timeout: Annotated[float, Meta(gt=0, le=25)] = 10.0
    notification: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"Settings(url={self.url!r}, …)"

    @property
    def defaults(self) -> Options:
        """``notification``, checked. Raises UnfitOption."""
        return read_options(self.notification) if self.notification else NO_OPTIONS


def read_settings(table: dict[str, Any]) -> Settings:
    """Check the table. Raises ConfigurationError that names the key."""
    try:
        settings = msgspec.convert(table, Settings, strict=False)
        assert settings.defaults is not None
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"[bark] {error}") from None
    except UnfitOption as error:
        raise ConfigurationError(f"[bark] notification.{error.field}: {error.problem}") from None
    return settings
