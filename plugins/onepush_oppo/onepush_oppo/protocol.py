"""OPPO's HTTP interface as plain data: requests built, answers parsed. Pure.

Source: OPPO's pages on authentication (document 11234), addresses and return codes (11235) and
unicast (11238). Times are milliseconds since the epoch.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlencode

import msgspec

AUTH = "/server/v1/auth"
UNICAST = "/server/v1/message/notification/unicast"
BATCH = "/server/v1/message/notification/unicast_batch"
INVALID_IDS = "/server/v1/feedback/fetch_invalid_regidList"
FORM = "application/x-www-form-urlencoded; charset=UTF-8"
REGISTRATION_ID, ALIAS = 2, 5
ALIAS_LIMIT = 64
_is_in_one_piece = re.compile(r"[^\s;,\x00-\x1f\x7f]+").fullmatch
_is_plain = re.compile(r"[A-Za-z0-9_.-]+").fullmatch


class MalformedAnswer(Exception):
    """What came back is not what OPPO answers."""


class Item(NamedTuple):
    """What OPPO said of one target of a batch."""

    target: str | None
    code: int
    text: str


class Answer(NamedTuple):
    """``code``: 0 means that the call as a whole was accepted. ``data``: whatever came with it."""

    code: int
    text: str
    data: Any


class _Answer(msgspec.Struct):
    code: int
    message: str | None = None
    data: Any = None


class _Item(msgspec.Struct, rename="camel"):
    registration_id: str | None = None
    error_code: int | None = None
    error_message: str | None = None


def sign(app_key: str, timestamp: int, master_secret: str) -> str:
    """Lower-case hex of SHA-256 over the three, joined without separator (document 11234)."""
    return hashlib.sha256(f"{app_key}{timestamp}{master_secret}".encode()).hexdigest()


def auth_form(app_key: str, master_secret: str, now: int) -> bytes:
    """The body of the call that fetches a token."""
    signature = sign(app_key, now, master_secret)
    return urlencode({"app_key": app_key, "sign": signature, "timestamp": now}).encode()


def is_in_china(registration_id: str) -> bool:
    """Which of the two hosts a registration id belongs to (document 11235); unknown forms go overseas."""
    parts = registration_id.split("_")
    return len(parts) == 1 or (len(parts) == 2 and parts[0] == "CN") or (len(parts) == 3 and parts[1] == "CN")


def is_registration_id(token: str) -> bool:
    """Whether OPPO could know this id at all; its own forms are not enforced, they have changed before."""
    return 0 < len(token) <= 256 and _is_in_one_piece(token) is not None


def is_alias(alias: str) -> bool:
    """True for what OPPO takes as an alias; a device with another one is addressed by its id."""
    return 0 < len(alias) <= ALIAS_LIMIT and ";" not in alias


class Envelope:
    """The JSON text of a target's message, form-encoded.

    All targets of a message share their notification: it is encoded once, and a thousand targets
    cost no more than a thousand string joins.
    """

    def __init__(self, target_type: int, notification: dict[str, Any], verify: bool | None = None) -> None:
        checks = "" if verify is None else f',"verify_registration_id":{str(verify).lower()}'
        body = msgspec.json.encode(notification).decode().removesuffix("}")
        self._head = quote_plus(f'{{"target_type":{target_type},"target_value":')
        self._middle = quote_plus(f'{checks},"notification":{body}')
        self._parameter = quote_plus(',"call_back_parameter":')
        self._tail = quote_plus("}}")

    def for_target(self, target: str, parameter: str | None = None) -> str:
        """``parameter``: what a receipt of this target brings back."""
        middle = self._middle
        if parameter is not None:
            middle += self._parameter + _quoted(parameter)
        return self._head + _quoted(target) + middle + self._tail


def _quoted(text: str) -> str:
    """A JSON string, form-encoded. Most ids need no escape but for their quotes."""
    return f"%22{text}%22" if _is_plain(text) else quote_plus(msgspec.json.encode(text))


def unicast_form(message: str) -> str:
    """The form of a single target without its token; ``message`` comes from ``Envelope``."""
    return f"&message={message}"


def batch_form(messages: Iterable[str]) -> str:
    """The form of up to 1000 targets without their token."""
    return f"&messages=%5B{'%2C'.join(messages)}%5D"


def with_token(token: str, form: str) -> bytes:
    """The whole body of a call."""
    return f"auth_token={quote_plus(token)}{form}".encode("ascii")


def parse_answer(body: bytes) -> Answer:
    """Raises MalformedAnswer."""
    try:
        answer = msgspec.json.decode(body, type=_Answer, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedAnswer("not a JSON answer with a code") from None
    return Answer(answer.code, answer.message or "", _unpacked(answer.data))


def parse_token(answer: Answer) -> str:
    """The token of a successful auth call. Raises MalformedAnswer."""
    token = answer.data.get("auth_token") if isinstance(answer.data, dict) else None
    if not isinstance(token, str) or not token or len(token) > 1024 or not token.isascii():
        raise MalformedAnswer("auth answer without a token")
    return token


def parse_invalid_ids(answer: Answer) -> list[str]:
    """The dead registration ids of a feedback answer."""
    found = answer.data.get("registration_ids") if isinstance(answer.data, dict) else None
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def parse_items(answer: Answer, targets: Sequence[str]) -> dict[str, Item] | None:
    """What a batch answer says of each target; None: nothing, the code of the whole holds for all.

    Matched by ``registrationId``. Targets that are not named so go by their place, and only where
    there are as many items as targets (the order is not documented). Raises MalformedAnswer.
    """
    if not isinstance(answer.data, list):
        return None
    items = _items(answer.data)
    wanted = set(targets)
    found = {target: item for item in items if (target := item.target) in wanted and target is not None}
    if len(items) == len(targets):
        for target, item in zip(targets, items, strict=True):
            if item.target not in wanted:
                found.setdefault(target, item)
    return found


def _items(data: list[Any]) -> list[Item]:
    try:
        items = msgspec.convert(data, list[_Item], strict=False)
    except msgspec.ValidationError:
        raise MalformedAnswer("an item of a batch answer is not understood") from None
    return [Item(one.registration_id, one.error_code or 0, one.error_message or "") for one in items]


def _unpacked(data: Any) -> Any:
    """OPPO's tables call ``data`` a string, its samples show the value itself: take both."""
    if not isinstance(data, str):
        return data
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return data
