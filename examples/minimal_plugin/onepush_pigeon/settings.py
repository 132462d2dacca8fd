"""The plugin's settings: the table ``[pigeon]``, checked."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from onepush_core import ConfigurationError


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``url``: of the vendor's API. ``key``: our key there. ``timeout``: seconds for one call."""

    url: str | None = None
    key: str = ""
    timeout: Annotated[float, Meta(gt=0, le=25)] = 10.0

    def __repr__(self) -> str:
        return f"Settings(url={self.url!r}, key=…)"


def read_settings(table: dict[str, Any]) -> Settings:
    """Check the table. Raises ConfigurationError that names the key."""
    try:
        return msgspec.convert(table, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"[pigeon] {error}") from None
