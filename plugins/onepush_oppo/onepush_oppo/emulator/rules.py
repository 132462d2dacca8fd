"""What OPPO takes as a message, field by field. Pure.

Source: OPPO's pages on unicast (document 11238), the notification body (11236) and receipts (11239);
the form of registration ids as OPPO's own server library checks it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

REGISTRATION_ID = re.compile(r"(?:[A-Za-z0-9]{2,10}_(?:.*_)?)?[0-9a-fA-F]{32}|[0-9a-fA-F]{24}")
ELEMENT_FIELDS = {"target_type", "target_value", "notification", "verify_registration_id"}
CONTENT_LIMITS = {2: 128, 4: 50, 5: 50}
CATEGORIES = {
    "IM",
    "ACCOUNT",
    "TODO",
    "DEVICE_REMINDER",
    "ORDER",
    "SUBSCRIPTION",
    "NEWS",
    "CONTENT",
    "MARKETING",
    "SOCIAL",
}


class Fault(NamedTuple):
    """Why something is refused."""

    code: int
    text: str


def _text(longest: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and 0 < len(value) <= longest


def _number(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: _is_integer(value) and least <= value <= most


def _one_of(*values: int) -> Callable[[Any], bool]:
    return lambda value: _is_integer(value) and value in values


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _is_map_of_text(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def _is_parameters(value: Any) -> bool:
    """A JSON object as text, of at most 4000 characters."""
    if not isinstance(value, str) or len(value) > 4000:
        return False
    try:
        return isinstance(json.loads(value), dict)
    except ValueError:
        return False


def _is_callback(value: Any) -> bool:
    if not isinstance(value, str) or len(value) > 200:
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


_milliseconds = _number(1_000_000_000_000, 9_999_999_999_999)
FIELDS: dict[str, Callable[[Any], bool]] = {
    "app_message_id": _text(64),
    "style": _one_of(1, 2, 4, 5),
    "small_picture_id": _text(200),
    "small_picture_url": _text(300),
    "medium_picture_url": _text(300),
    "buttons": lambda value: isinstance(value, list),
    "option": lambda value: isinstance(value, dict),
    "title": _text(50),
    "sub_title": _text(10),
    "content": _text(200),
    "click_action_type": _one_of(0, 1, 2, 4, 5),
    "click_action_activity": _text(500),
    "click_action_url": _text(2000),
    "action_parameters": _is_parameters,
    "show_time_type": _one_of(0, 1),
    "show_start_time": _milliseconds,
    "show_end_time": _milliseconds,
    "off_line": _is_boolean,
    "off_line_ttl": _number(0, 864_000),
    "push_time_type": _one_of(0, 1),
    "push_start_time": _milliseconds,
    "time_zone": _text(100),
    "fix_speed": lambda value: value is False,
    "network_type": _one_of(0, 1),
    "call_back_url": _is_callback,
    "call_back_parameter": _text(100),
    "channel_id": _text(200),
    "show_ttl": _number(0, 172_800),
    "notify_id": _number(0, 2_147_483_647),
    "category": lambda value: value in CATEGORIES,
    "notify_level": _one_of(1, 2, 16),
    "private_msg_template_id": _text(200),
    "private_title_parameters": _is_map_of_text,
    "private_content_parameters": _is_map_of_text,
    "badge_message_count": _number(0, 2_147_483_647),
    "badge_operation_type": _one_of(0, 1),
    "auditResponse": lambda value: isinstance(value, (str, dict)),
}
CODES = {"category": 67, "notify_level": 67}
CLICK_FIELDS = {
    1: "click_action_activity",
    4: "click_action_activity",
    2: "click_action_url",
    5: "click_action_url",
}


def check_message(message: Any, content_limit: int, strong_reminders: bool) -> Fault | None:
    """What is wrong with one message of a call, if anything."""
    if not isinstance(message, dict):
        return Fault(41, "message: not an object")
    for name in message.keys() - ELEMENT_FIELDS:
        return Fault(41, f"{name}: no such field")
    for name in ("target_type", "target_value", "notification"):
        if message.get(name) is None:
            return Fault(40, f"{name}: missing")
    if message["target_type"] not in (2, 5) or not _is_integer(message["target_type"]):
        return Fault(41, "target_type: 2 or 5")
    if message.get("verify_registration_id") not in (None, True, False):
        return Fault(41, "verify: true or false")
    return _check_target(message) or _check_notification(message, content_limit, strong_reminders)


def _check_target(message: dict[str, Any]) -> Fault | None:
    target = message["target_value"]
    if not isinstance(target, str) or not target:
        return Fault(41, "target_value: one target")
    if message["target_type"] == 2:
        return None if REGISTRATION_ID.fullmatch(target) else Fault(10000, "Invalid Registration_id")
    return Fault(41, "target_value: not an alias") if len(target) > 64 or ";" in target else None


def _check_notification(message: dict[str, Any], content_limit: int, strong: bool) -> Fault | None:
    if not isinstance(message["notification"], dict):
        return Fault(41, "notification: not an object")
    given = {name: value for name, value in message["notification"].items() if value is not None}
    for name, value in given.items():
        if name not in FIELDS:
            return Fault(41, f"{name}: no such field")
        if not FIELDS[name](value):
            return Fault(CODES.get(name, 41), f"{name}: invalid")
    for name in ("title", "content"):
        if name not in given:
            return Fault(40, f"{name}: missing")
    if len(given["content"]) > CONTENT_LIMITS.get(given.get("style", 1), content_limit):
        return Fault(41, "content: too long for its style")
    if message["target_type"] == 5 and "call_back_url" in given:
        return Fault(41, "call_back_url: not with an alias")
    return _check_together(given) or _check_reminder(given, strong)


def _check_together(given: dict[str, Any]) -> Fault | None:
    wanted = [CLICK_FIELDS.get(given.get("click_action_type", 0))]
    if given.get("show_time_type") == 1:
        wanted += ["show_start_time", "show_end_time"]
    if given.get("push_time_type") == 1:
        wanted.append("push_start_time")
    for name in wanted:
        if name is not None and name not in given:
            return Fault(40, f"{name}: missing")
    if given.get("show_time_type") == 1 and given["show_start_time"] >= given["show_end_time"]:
        return Fault(41, "show_end_time: not after show_start_time")
    return None


def _check_reminder(given: dict[str, Any], strong: bool) -> Fault | None:
    level = given.get("notify_level")
    if level is not None and "category" not in given:
        return Fault(67, "notify_level: without category")
    if level == 16 and not strong:
        return Fault(67, "notify_level: 16 is not granted")
    filled = "private_title_parameters" in given or "private_content_parameters" in given
    if filled and "private_msg_template_id" not in given:
        return Fault(54, "private_msg_template_id is null")
    return None
