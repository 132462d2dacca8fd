"""Delivery reports as the providers write them. Pure; anything that is not one raises InvalidReport."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from onepush_core import OnepushError
from onepush_sms.objects import Report, safe_code

MOST_REPORTS = 1000
# Source: Twilio, "Outbound message status": what a message does not leave any more.
TWILIO_FINAL = {"delivered": True, "read": True, "undelivered": False, "failed": False}


class InvalidReport(OnepushError):
    """The body is not a delivery report."""

    code = 40061
    summary = "not a delivery report"


def read_aliyun(body: bytes) -> list[Report]:
    """Source: Alibaba Cloud, Short Message Service, "SmsReport" (pushed over HTTP)."""
    return [
        Report(
            delivered=one.get("success") is True,
            code=safe_code(one.get("err_code")),
            reference=str(one.get("biz_id", "")),
            key=_key(one.get("out_id")),
        )
        for one in _objects(body)
    ]


def read_tencent(body: bytes) -> list[Report]:
    """Source: Tencent Cloud, SMS, "SMS Sending Status Notification"."""
    return [
        Report(
            delivered=one.get("report_status") == "SUCCESS",
            code=safe_code(one.get("errmsg")),
            reference=str(one.get("sid", "")),
        )
        for one in _objects(body)
    ]


def read_twilio(form: Iterable[tuple[str, str]], query: str) -> list[Report]:
    """Source: Twilio, "Track the message status of outbound messages". Only final states are reported."""
    fields = dict(form)
    status = fields.get("MessageStatus", "")
    if status not in TWILIO_FINAL:
        return []
    code = f"{status} {safe_code(fields['ErrorCode'])}" if fields.get("ErrorCode") else status
    key = _key(dict(parse_qsl(query)).get("sms"))
    return [Report(TWILIO_FINAL[status], code, fields.get("MessageSid", ""), key)]


def read_form(body: bytes) -> list[tuple[str, str]]:
    """The names and values of a form, in order."""
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise InvalidReport from None


def twilio_signature(auth_token: str, url: str, form: Iterable[tuple[str, str]]) -> str:
    """``X-Twilio-Signature`` of a request. Source: Twilio, "Webhooks security"."""
    text = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.digest(auth_token.encode(), text.encode(), hashlib.sha1)).decode()


def address_mac(secret: str, provider: str, app: str) -> str:
    """What stands at the end of a provider's address, so that nobody else can report."""
    return hmac.digest(secret.encode(), f"sms/{provider}/{app}".encode(), hashlib.sha256).hex()[:40]


def _objects(body: bytes) -> Sequence[dict[str, Any]]:
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidReport from None
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise InvalidReport
    if len(told) > MOST_REPORTS:
        raise InvalidReport("more reports than one request may hold")
    return told


def _key(text: object) -> int | None:
    """Our own key, if it is one."""
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    return None
