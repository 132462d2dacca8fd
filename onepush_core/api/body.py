"""Reading a request's body: of the right type, bounded in size and in time."""

from __future__ import annotations

from typing import TypeVar

import falcon
import gevent
from gunicorn.http.errors import ParseException

from onepush_core.api import strict_json
from onepush_core.api.fields import convert
from onepush_core.errors import BodyTooLarge, BodyTooSlow, InvalidJson, UnsupportedMediaType

T = TypeVar("T")


class BodyReader:
    """Reads bodies of at most ``limit`` bytes within ``deadline`` seconds."""

    def __init__(self, limit: int, deadline: float) -> None:
        self._limit = limit
        self._deadline = deadline

    def read(self, req: falcon.Request) -> bytes:
        """The whole body, empty if there is none.

        Errors: ``BodyTooLarge``, ``BodyTooSlow`` and, when it breaks off, ``InvalidJson``.
        """
        # Falcon bounds its stream by Content-Length, which a chunked body does not have; gunicorn's
        # own stream ends with the body in both cases.
        chunked = "HTTP_TRANSFER_ENCODING" in req.env
        length = self._limit + 1 if chunked else req.content_length or 0
        if length > self._limit and not chunked:
            raise BodyTooLarge
        body = self._read(req, length) if length else b""
        if len(body) > self._limit:
            raise BodyTooLarge
        if len(body) < length and not chunked:
            raise InvalidJson("the body ends too early")
        return body

    def read_json(self, req: falcon.Request, kind: type[T]) -> T:
        """The body as ``kind``. Errors besides those of ``read``: 415, ``InvalidJson``, ``InvalidField``."""
        require_json(req.content_type)
        return convert(strict_json.parse(self.read(req)), kind)

    def _read(self, req: falcon.Request, length: int) -> bytes:
        try:
            with gevent.Timeout(self._deadline, BodyTooSlow):
                return bytes(req.stream.read(length))
        except (ParseException, OSError):
            raise InvalidJson("the body is badly framed or breaks off") from None


def require_json(content_type: str | None) -> None:
    """Raise ``UnsupportedMediaType`` unless it is JSON in UTF-8; left out counts as JSON."""
    if content_type is None or content_type == "application/json":
        return
    if not is_type(content_type, "application/json"):
        raise UnsupportedMediaType


def is_type(content_type: str, expected: str) -> bool:
    """Whether a Content-Type means ``expected`` in UTF-8 (RFC 9110 section 8.3)."""
    media_type, options = falcon.parse_header(content_type)
    charset = options.get("charset", "utf-8").lower()
    return media_type.strip().lower() == expected and charset in ("utf-8", "utf8", "us-ascii")
