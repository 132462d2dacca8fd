"""From a message to OPPO's notification body. Pure.

Source: OPPO's page on the notification body (document 11236); snake_case on the wire.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import msgspec

from onepush_core import Message
from onepush_oppo.options import CONTENT_LIMIT, PARAMETERS_LIMIT, Options, encode_parameters

TITLE_LIMIT = 50
ELLIPSIS = "…"
MAPPED = ("title", "content", "style", "action_parameters", "off_line", "off_line_ttl")
SPECIAL = (*MAPPED, "verify_registration_id")
NO_ROOM = f"extra left out: over {PARAMETERS_LIMIT} characters"


class Notification(NamedTuple):
    """``body`` is what OPPO gets. ``verify``: the phone is to check its own id. ``note``: for the trail."""

    body: dict[str, Any]
    verify: bool | None
    note: str | None


def make_notification(
    message: Message, options: Options, content_limit: int, now: int, call_back_url: str | None = None
) -> Notification:
    """The notification that shows a message; what OPPO cannot carry is cut or left out, never refused."""
    text = options.content or message.alert
    style, room = _style_for(text, options.style, content_limit)
    parameters, note = _parameters(message, options)
    body: dict[str, Any] = {
        "app_message_id": message.id,
        "title": cut(options.title or _title(message), TITLE_LIMIT),
        "content": cut(text, room),
        "style": style,
        **_life(message, options, now),
        **_chosen(options),
    }
    if parameters is not None:
        body["action_parameters"] = parameters
    if call_back_url is not None:
        body["call_back_url"] = call_back_url
    return Notification(body, options.verify_registration_id, note)


def yielding(defaults: Options, message: Message) -> Options:
    """The defaults without those for which the message brings its own."""
    own: dict[str, None] = {}
    if (message.title or "").strip():
        own["title"] = None
    if message.extra is not None:
        own["action_parameters"] = None
    return msgspec.structs.replace(defaults, **own) if own else defaults


def cut(text: str, limit: int) -> str:
    """At most ``limit`` characters; an ellipsis stands for what was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + ELLIPSIS


def _title(message: Message) -> str:
    title = (message.title or "").strip()
    return title or message.app.name


def _style_for(text: str, wanted: int | None, content_limit: int) -> tuple[int, int]:
    """The style, and how many characters it has room for."""
    if wanted == 2:
        return 2, CONTENT_LIMIT
    if len(text) <= content_limit or wanted == 4 or content_limit >= CONTENT_LIMIT:
        return wanted or 1, content_limit
    return 2, CONTENT_LIMIT


def _parameters(message: Message, options: Options) -> tuple[str | None, str | None]:
    """``action_parameters``, and what the trail is to say of them."""
    if options.action_parameters is not None:
        return encode_parameters(options.action_parameters), None
    if message.extra is None:
        return None, None
    value = message.extra if isinstance(message.extra, dict) else {"extra": message.extra}
    text = msgspec.json.encode(value).decode()
    return (None, NO_ROOM) if len(text) > PARAMETERS_LIMIT else (text, None)


def _life(message: Message, options: Options, now: int) -> dict[str, Any]:
    """How long OPPO keeps it: not at all for a message that nobody keeps, else what is left of its life."""
    if message.transient or options.off_line is False:
        return {"off_line": False}
    left = max(1, math.ceil((message.expires_at - now) / 1000))
    return {"off_line": True, "off_line_ttl": min(left, options.off_line_ttl or left)}


def _chosen(options: Options) -> dict[str, Any]:
    """The options that go out as they are, without an address that the click action does not use."""
    unused = {"click_action_activity"} if options.click_action_type not in (1, 4) else set()
    if options.click_action_type not in (2, 5):
        unused.add("click_action_url")
    return {
        name: value
        for name in options.__struct_fields__
        if name not in SPECIAL and name not in unused and (value := getattr(options, name)) is not None
    }
