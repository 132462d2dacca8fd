"""What can be the matter with somebody else's service."""

from __future__ import annotations

from enum import StrEnum


class Trouble(StrEnum):
    """One kind of trouble. Each double says in ``TROUBLES`` which it can make."""

    SERVER_ERROR = "server error"
    """An error of the vendor's own, with a page for people instead of an answer (HTTP 500)."""
    UNAVAILABLE = "unavailable"
    """Down for maintenance: come again in two minutes (HTTP 503 with Retry-After)."""
    TOO_MANY = "too many requests"
    """Slow down: come again in two minutes (HTTP 429 with Retry-After)."""
    UNAUTHORIZED = "unauthorized"
    """Our credentials are refused (HTTP 401)."""
    REFUSED = "connection refused"
    """Nobody listens."""
    RESET = "connection reset"
    """The connection is reset when the request has been read."""
    HANG_UP = "hang-up"
    """The connection ends in good order, without an answer."""
    SILENCE = "silence"
    """The request is read and nothing comes back."""
    DRIP = "drip"
    """An answer of which a byte comes every now and then, for ever."""
    TORN = "torn answer"
    """The connection ends in the middle of the answer."""
    EMPTY = "empty answer"
    """A good status and no content."""
    GARBAGE = "garbage"
    """A good status, and bytes that are neither text nor JSON."""
    OTHER_JSON = "other JSON"
    """A good status, and JSON of another shape than the one agreed on."""
    NESTED = "deeply nested JSON"
    """A good status, and JSON that is nested a hundred thousand deep."""
    ENDLESS = "endless answer"
    """A good status, and content without an end, as fast as it is read."""
    LONG_HEADER = "long header"
    """A header longer than any HTTP library takes."""
    REDIRECT = "redirect"
    """The request is to be made again at an address of somebody else's."""


WISHED = 120
"""Seconds after which UNAVAILABLE and TOO_MANY want the next call."""
