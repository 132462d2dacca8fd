"""OPPO's receipts: their address, what is in them. Pure.

Source: OPPO's page on receipts (document 11239). They are not signed, so the address itself carries
a MAC; OPPO merges receipts of one address, so an app has one, and ``param`` says which message.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

import msgspec

ROUTE = "/oppo/receipts/{app_id}/{mac}"
LONGEST_LIST = 1000
ARRIVED, INVALID, LIMITED = "push_arrive", "regid_invalid", "user_daily_limit"
EVENTS = (ARRIVED, INVALID, LIMITED)


class Receipt(NamedTuple):
    """One event of one message. ``device``: the key that the message carried, None if it did not."""

    event: str
    message: str
    device: int | None
    tokens: tuple[str, ...]


class MalformedReceipts(Exception):
    """The body is not a list of receipts."""


class _Receipt(msgspec.Struct, rename="camel"):
    event_type: str
    registration_ids: str | list[str] | None = None
    param: str | None = None


_decoder = msgspec.json.Decoder(list[_Receipt], strict=False)


def mac_of(secret: str, app_id: str) -> str:
    """128 bits of HMAC-SHA-256 over the app's id, in hex."""
    text = f"onepush oppo receipts {app_id}".encode()
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()[:32]


def address_of(public_url: str, secret: str, app_id: str) -> str:
    """Where OPPO sends an app's receipts; at most 200 characters, which is OPPO's limit."""
    path = ROUTE.format(app_id=app_id, mac=mac_of(secret, app_id))
    return public_url.rstrip("/") + path


def is_genuine(secret: str, app_id: str, mac: str) -> bool:
    """Whether this is the app's address, compared in constant time."""
    return hmac.compare_digest(mac_of(secret, app_id).encode(), mac.encode())


def parse_receipts(body: bytes) -> list[Receipt]:
    """The receipts of a callback. Raises MalformedReceipts."""
    try:
        found = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedReceipts("not a JSON list of receipts") from None
    return [_read(one) for one in found]


def _read(one: _Receipt) -> Receipt:
    message, _, device = (one.param or "").partition(".")
    named = one.registration_ids or ""
    parts = named.split(",") if isinstance(named, str) else named
    tokens = tuple(part for raw in parts if (part := raw.strip()))
    number = int(device) if device.isascii() and device.isdigit() and len(device) < 19 else None
    return Receipt(one.event_type, message, number, tokens)
