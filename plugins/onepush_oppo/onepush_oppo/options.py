"""What a sender or an operator may say about a notification: OPPO's field table with its limits. Pure.

Source: OPPO's page on the notification body (document 11236) and its unicast page (11238). Lengths
count characters, times of day are milliseconds since the epoch, durations seconds.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

CONTENT_LIMIT = 128
PARAMETERS_LIMIT = 4000
BROADCAST_ONLY = ("big_picture_id", "big_picture_url", "fix_speed", "fix_speed_rate")

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Address = Annotated[str, Meta(min_length=1, max_length=300)]
Moment = Annotated[int, Meta(ge=1_000_000_000_000, le=9_999_999_999_999)]
Category = Literal[
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
]


class UnfitOption(Exception):
    """An option that OPPO cannot express. ``field``: its name, empty for the whole."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field
        self.problem = problem


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``options.oppo`` of a send, or the defaults in the settings. None: not said.

    ``title`` and ``content`` stand in for the message's own. ``verify_registration_id`` makes the
    phone compare the target with its own id. ``off_line_ttl`` can only shorten the message's life.
    """

    title: Annotated[str, Meta(min_length=1, max_length=50)] | None = None
    content: Annotated[str, Meta(min_length=1, max_length=CONTENT_LIMIT)] | None = None
    sub_title: Annotated[str, Meta(min_length=1, max_length=10)] | None = None
    style: Literal[1, 2, 4] | None = None
    small_picture_id: Name | None = None
    small_picture_url: Address | None = None
    medium_picture_url: Address | None = None
    buttons: list[Any] | None = None
    option: dict[str, Any] | None = None
    click_action_type: Literal[0, 1, 2, 4, 5] | None = None
    click_action_activity: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    click_action_url: Annotated[str, Meta(min_length=1, max_length=2000)] | None = None
    action_parameters: dict[str, Any] | str | None = None
    show_time_type: Literal[0, 1] | None = None
    show_start_time: Moment | None = None
    show_end_time: Moment | None = None
    off_line: bool | None = None
    off_line_ttl: Annotated[int, Meta(ge=1, le=864_000)] | None = None
    push_time_type: Literal[0, 1] | None = None
    push_start_time: Moment | None = None
    time_zone: Name | None = None
    network_type: Literal[0, 1] | None = None
    channel_id: Name | None = None
    show_ttl: Annotated[int, Meta(ge=0, le=172_800)] | None = None
    notify_id: Annotated[int, Meta(ge=0, le=2_147_483_647)] | None = None
    category: Category | None = None
    notify_level: Literal[1, 2, 16] | None = None
    private_msg_template_id: Name | None = None
    private_title_parameters: dict[str, str] | None = None
    private_content_parameters: dict[str, str] | None = None
    badge_message_count: Annotated[int, Meta(ge=0, le=2_147_483_647)] | None = None
    badge_operation_type: Literal[0, 1] | None = None
    auditResponse: str | dict[str, Any] | None = None  # noqa: N815  # the only camel case on OPPO's wire
    verify_registration_id: bool | None = None


NO_OPTIONS = Options()


def read_options(value: Any) -> Options:
    """Options from decoded JSON or TOML, each field within its limit. Raises UnfitOption."""
    if not isinstance(value, dict):
        raise UnfitOption("", "must be an object")
    for field in BROADCAST_ONLY:
        if value.get(field) is not None:
            raise UnfitOption(field, "for broadcasts only")
    try:
        options = msgspec.convert(value, Options)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    for field in ("title", "content"):
        if (getattr(options, field) or "x").isspace():
            raise UnfitOption(field, "must not be blank")
    parameters = encode_parameters(options.action_parameters)
    if parameters is not None and len(parameters) > PARAMETERS_LIMIT:
        raise UnfitOption("action_parameters", f"longer than {PARAMETERS_LIMIT} characters")
    return options


def merge(defaults: Options, chosen: Options) -> Options:
    """``chosen``, and where it says nothing the defaults."""
    said = {name: value for name in chosen.__struct_fields__ if (value := getattr(chosen, name)) is not None}
    return msgspec.structs.replace(defaults, **said) if said else defaults


def check_together(options: Options, content_limit: int) -> None:
    """Raise UnfitOption where fields contradict or want each other."""
    click = options.click_action_type
    _need(options, "click_action_activity", click in (1, 4), "when click_action_type is 1 or 4")
    _need(options, "click_action_url", click in (2, 5), "when click_action_type is 2 or 5")
    for field in ("show_start_time", "show_end_time"):
        _need(options, field, options.show_time_type == 1, "when show_time_type is 1")
    if options.show_start_time and options.show_end_time and options.show_start_time >= options.show_end_time:
        raise UnfitOption("show_end_time", "must be after show_start_time")
    _need(options, "push_start_time", options.push_time_type == 1, "when push_time_type is 1")
    _need(options, "category", options.notify_level is not None, "when notify_level is given")
    _need(options, "medium_picture_url", options.style == 4, "when style is 4")
    filled = options.private_title_parameters or options.private_content_parameters
    _need(options, "private_msg_template_id", bool(filled), "when its parameters are given")
    if options.style == 1 and options.content and len(options.content) > content_limit:
        raise UnfitOption("content", f"longer than {content_limit} characters, which style 1 does not take")


def encode_parameters(value: Any) -> str | None:
    """``action_parameters`` as OPPO takes it: JSON text of an object. Raises UnfitOption."""
    if value is None:
        return None
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    try:
        holds_object = isinstance(json.loads(value), dict)
    except ValueError:
        holds_object = False
    if not holds_object:
        raise UnfitOption("action_parameters", "must be an object, or JSON text of one")
    return str(value)


def _need(options: Options, field: str, needed: bool, when: str) -> None:
    if needed and getattr(options, field) is None:
        raise UnfitOption(field, f"required {when}")


def _explain(text: str) -> UnfitOption:
    """From msgspec's words to ours, without the value."""
    problem, _, path = text.rpartition(" - at `$.")
    if not problem:
        _, _, field = text.partition("unknown field `")
        return UnfitOption(field.rstrip("`")[:64], "not a field of OPPO's that can be set")
    field = path.rstrip("`").partition("[")[0]
    if problem.startswith("Invalid enum value"):
        return UnfitOption(field, "not one of the values allowed")
    return UnfitOption(field, problem.replace("`", "").replace(" | null", "").lower())
