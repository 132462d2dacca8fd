"""Parts of the path and of the query."""

from __future__ import annotations

import falcon

from onepush_core.api.fields import require_text
from onepush_core.errors import InvalidField

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000


def is_opaque_id(text: str) -> bool:
    """Whether this could be an id of ours at all; anything else need not trouble the store."""
    return 0 < len(text) <= 64 and text.isascii() and text.isprintable()


def page_of(req: falcon.Request) -> tuple[str | None, int]:
    """``cursor`` and ``limit`` (1 to 1000, default 100). Raises ``InvalidField``."""
    return optional_parameter(req, "cursor", 256), _limit(req.get_param("limit"))


def required_parameter(req: falcon.Request, name: str, limit: int) -> str:
    """A parameter that must be there, of at most ``limit`` bytes. Raises ``InvalidField``."""
    value = req.get_param(name)
    if value is None:
        raise InvalidField(name, "required")
    if "\0" in value:
        raise InvalidField(name, "must not hold NUL characters")
    return require_text(name, value, limit)


def optional_parameter(req: falcon.Request, name: str, limit: int) -> str | None:
    """The same for one that may be left out; empty counts as left out."""
    return required_parameter(req, name, limit) if req.get_param(name) else None


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if len(text) <= 4 and text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_LIMIT:
        return int(text)
    raise InvalidField("limit", f"must be an integer from 1 to {MAX_LIMIT}")
