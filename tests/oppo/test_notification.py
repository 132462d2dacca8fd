"""From a message to a notification: what is mapped, cut, left out and overridden."""

from __future__ import annotations

import json

import msgspec
import pytest

from onepush_core.testing import make_message
from onepush_core.testing.manual_clock import START
from onepush_oppo.notification import NO_ROOM, make_notification, yielding
from onepush_oppo.options import NO_OPTIONS, read_options


def body_of(message, limit=50, now=START, url=None, **options):
    """The notification's body with these options."""
    return make_notification(message, read_options(options), limit, now, url).body


def test_message_becomes_notification():
    """Alert, title, extra, life and id go where OPPO expects them."""
    message = make_message(alert="dinner", title="Kitchen", extra={"dish": [1, "鱼"]})
    body = body_of(message, url="https://here/x")
    assert body.pop("action_parameters") == '{"dish":[1,"鱼"]}'
    assert body == {
        "app_message_id": message.id,
        "title": "Kitchen",
        "content": "dinner",
        "style": 1,
        "off_line": True,
        "off_line_ttl": 3600,
        "call_back_url": "https://here/x",
    }


@pytest.mark.parametrize("title", [None, "", "  "])
def test_app_name_stands_for_missing_title(title):
    """OPPO wants a title; a message without one shows the app's name."""
    assert body_of(make_message(title=title))["title"] == "Home"


@pytest.mark.parametrize(
    ("length", "limit", "style", "shown"),
    [
        (50, 50, 1, 50),
        (51, 50, 2, 51),
        (128, 50, 2, 128),
        (129, 50, 2, 128),
        (200, 200, 1, 200),
        (201, 200, 1, 200),
    ],
)
def test_long_alert_takes_long_style(length, limit, style, shown):
    """An alert over the style-1 limit goes as long text, and what is still too long is cut."""
    body = body_of(make_message(alert="字" * length), limit)
    assert (body["style"], len(body["content"])) == (style, shown)
    assert body["content"].endswith("…") is (shown < length)


def test_asked_for_style_one_gives_way_to_long_alert():
    """A sender's style 1 does not make a long alert shorter than need be."""
    body = body_of(make_message(alert="x" * 60), style=1)
    assert (body["style"], body["content"]) == (2, "x" * 60)


def test_long_title_is_cut():
    """A title of more than 50 characters, emoji counting one, is cut with an ellipsis."""
    body = body_of(make_message(title="😀" * 51))
    assert body["title"] == "😀" * 49 + "…"
    assert body_of(make_message(title="😀" * 50))["title"] == "😀" * 50


@pytest.mark.parametrize("extra", ["text", 7, [1, 2], False, 0, ""])
def test_plain_extra_is_wrapped(extra):
    """OPPO wants an object: any other value travels as {"extra": value}."""
    assert json.loads(body_of(make_message(extra=extra))["action_parameters"]) == {"extra": extra}


def test_long_extra_is_left_out_with_a_note():
    """An extra over 4000 characters is left out and the trail says so; one of 4000 goes."""
    fits = {"a": "x" * (4000 - len('{"a":""}'))}
    assert len(body_of(make_message(extra=fits))["action_parameters"]) == 4000
    made = make_notification(make_message(extra={"a": fits["a"] + "x"}), NO_OPTIONS, 50, START)
    assert made.note == NO_ROOM
    assert "action_parameters" not in made.body


def test_life_that_is_left_limits_offline_time():
    """A retry keeps the message for what is left of its life; an option can shorten it only."""
    later = START + 600_500
    assert body_of(make_message(), now=later)["off_line_ttl"] == 3000
    assert body_of(make_message(), now=later, off_line_ttl=60)["off_line_ttl"] == 60
    assert body_of(make_message(), now=later, off_line_ttl=86_400)["off_line_ttl"] == 3000


def test_transient_message_is_not_kept():
    """With duration 0 nobody keeps the message, OPPO neither."""
    body = body_of(make_message(duration=0))
    assert body["off_line"] is False
    assert "off_line_ttl" not in body


def test_options_override_message():
    """A sender's options stand in for the message's own fields."""
    body = body_of(
        make_message(alert="a", extra={"b": 1}),
        title="T",
        content="C",
        action_parameters={"c": 2},
        notify_id=4,
    )
    assert (body["title"], body["content"], body["notify_id"]) == ("T", "C", 4)
    assert body["action_parameters"] == '{"c":2}'


def test_default_yields_to_message():
    """A default title or action_parameters is for messages that bring none; other defaults stay."""
    defaults = read_options({"title": "D", "action_parameters": {"d": 1}, "notify_id": 4})
    assert yielding(defaults, make_message(title=" ")) == defaults
    left = yielding(defaults, make_message(title="T", extra=0))
    assert left == read_options({"notify_id": 4})


def test_unused_click_target_stays_home():
    """A default address that the chosen click action does not use is not sent."""
    options = {"click_action_type": 2, "click_action_url": "https://x", "click_action_activity": "a.B"}
    body = body_of(make_message(), **options)
    assert body["click_action_url"] == "https://x"
    assert "click_action_activity" not in body


def test_verify_stands_beside_notification():
    """verify_registration_id belongs to the message around the notification."""
    made = make_notification(make_message(), read_options({"verify_registration_id": True}), 50, START)
    assert made.verify is True
    assert "verify_registration_id" not in msgspec.to_builtins(made.body)
