"""Idempotency-Key: what makes two sends the same (draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

import hashlib

import falcon
import msgspec

from onepush_core.errors import InvalidField
from onepush_core.objects import Draft

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"


def idempotency_of(req: falcon.Request, draft: Draft) -> tuple[str, bytes] | None:
    """The key and the digest of the draft's meaning; None without the header.

    Raises ``InvalidField`` unless the key is 1 to 255 visible ASCII characters.
    """
    key = req.env.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not 1 <= len(key) <= 255 or not all("!" <= character <= "~" for character in key):
        raise InvalidField(HEADER, "must be 1 to 255 visible ASCII characters")
    return key, digest(draft)


def digest(draft: Draft) -> bytes:
    """SHA-256 over the draft with sorted keys: the order and spelling of the body do not count."""
    return hashlib.sha256(msgspec.json.encode(draft, order="sorted")).digest()
