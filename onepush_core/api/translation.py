"""From checked requests to the core's words. Pure; every function may raise ``InvalidField``."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from onepush_core.api.fields import limit_text, optional_text, require_text
from onepush_core.api.schemas import MAX_DURATION, RegisterRequest, SendRequest
from onepush_core.errors import InvalidField
from onepush_core.objects import Draft, Registration, Selector

MAX_ALERT = 4096
MAX_AUDIENCES = 1000
MAX_TAGS = 100
MAX_TENANT = 64
LISTS_ONLY = frozenset({"ALIAS", "DEVICE"})
"""The core's own audience types; what an object means is for the plugin of its audience type to say."""
_VENDOR_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


def to_registration(request: RegisterRequest) -> Registration:
    """The device's own words, within bounds."""
    return Registration(
        alias=require_text("alias", request.alias, 256),
        platform=request.platform,
        token=require_text("nativeToken", request.native_token, 4096),
        mobile=optional_text("mobile", request.mobile, 32),
        tags=_tags(request.tag),
        tenant=optional_text("tenantCode", request.tenant_code, MAX_TENANT),
        vendor=_vendor(request.vendor),
    )


def to_draft(request: SendRequest) -> Draft:
    """The send with every default filled in."""
    return Draft(
        alert=require_text("alert", request.alert, MAX_ALERT),
        selector=to_selector(request.audience_type, request.audiences),
        platform=request.platform,
        duration=_duration(request.duration),
        need_confirm=bool(request.need_confirm),
        type=request.push_msg_type or "MSG",
        title=request.title or None,
        extra=request.extra,
        tenant=optional_text("tenantCode", request.tenant_code, MAX_TENANT),
        sender=request.sender or None,
        send_device=request.send_deive or request.send_device or None,
        sound=request.sound or None,
        badge=request.badge,
        sms_message=request.sms_message or None,
        sms_delay=request.sms_delay,
        options=request.options or {},
    )


def _duration(seconds: int | None) -> int:
    if seconds is None or not 0 <= seconds <= MAX_DURATION:
        return MAX_DURATION
    return seconds


def to_selector(kind: str | None, values: list[str] | dict[str, Any]) -> Selector:
    """Whom the caller names: entries of a list, or an object."""
    if isinstance(values, dict):
        return _object_selector(kind, values)
    if not values:
        raise InvalidField("audiences", "must not be empty")
    if len(values) > MAX_AUDIENCES:
        raise InvalidField("audiences", f"more than {MAX_AUDIENCES}")
    if any(not value.strip() for value in values):
        raise InvalidField("audiences", "must not hold blank entries")
    if any(len(value) == 3 and value.upper() == "ALL" for value in values):
        return _whole_app(values)
    return Selector(_kind(kind), tuple(values))


def _object_selector(kind: str | None, value: dict[str, Any]) -> Selector:
    """An object travels as its JSON text, which is the same for the same meaning."""
    kind = _kind(kind)
    if kind in LISTS_ONLY:
        raise InvalidField("audiences", "must be a list")
    return Selector(kind, (json.dumps(value, ensure_ascii=False, sort_keys=True),))


def _kind(kind: str | None) -> str:
    return "ALIAS" if kind is None else require_text("audienceType", kind, 64)


def _whole_app(values: list[str]) -> Selector:
    if len(values) > 1:
        raise InvalidField("audiences", "ALL must stand alone")
    return Selector("ALL", ("ALL",))


def _tags(tags: list[str] | None) -> tuple[str, ...] | None:
    if tags is None:
        return None
    if len(tags) > MAX_TAGS:
        raise InvalidField("tag", f"more than {MAX_TAGS}")
    if any(not tag.strip() for tag in tags):
        raise InvalidField("tag", "must not hold blank entries")
    # Two ways to write the same letters must be one tag: NFC (UAX #15).
    return tuple(limit_text("tag", unicodedata.normalize("NFC", tag), 64) for tag in tags)


def _vendor(vendor: str | None) -> str | None:
    if not vendor:
        return None
    if not _VENDOR_CHARACTERS.issuperset(vendor):
        raise InvalidField("vendor", "must be upper case letters, digits and _")
    return limit_text("vendor", vendor, 32)
