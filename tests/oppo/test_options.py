"""What a sender may say about a notification, and how a refusal names the field."""

from __future__ import annotations

import pytest

from onepush_oppo.options import Options, UnfitOption, check_together, merge, read_options

GOOD = {
    "title": "x" * 50,
    "content": "x" * 128,
    "sub_title": "x" * 10,
    "style": 2,
    "click_action_type": 5,
    "click_action_url": "x" * 2000,
    "action_parameters": {"a": 1},
    "show_time_type": 1,
    "show_start_time": 1_800_000_000_000,
    "show_end_time": 1_800_000_000_001,
    "off_line": True,
    "off_line_ttl": 864_000,
    "time_zone": "GMT+08:00",
    "network_type": 1,
    "channel_id": "orders",
    "show_ttl": 0,
    "notify_id": 1,
    "category": "ORDER",
    "notify_level": 16,
    "private_msg_template_id": "t",
    "private_title_parameters": {"a": "b"},
    "private_content_parameters": {"a": "b"},
    "badge_message_count": 3,
    "badge_operation_type": 1,
    "auditResponse": "{}",
    "verify_registration_id": True,
}


def refusal_of(value, limit=50):
    """The field that is refused."""
    with pytest.raises(UnfitOption) as caught:
        check_together(read_options(value), limit)
    return caught.value.field


def test_options_take_everything_within_limits():
    """Every field at its limit is taken."""
    options = read_options(GOOD)
    check_together(options, 50)
    assert {name: getattr(options, name) for name in GOOD} == GOOD


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "x" * 51),
        ("title", ""),
        ("content", "x" * 129),
        ("sub_title", "x" * 11),
        ("style", 3),
        ("style", "1"),
        ("click_action_type", 3),
        ("click_action_activity", "x" * 501),
        ("click_action_url", "x" * 2001),
        ("action_parameters", {"a": "x" * 4000}),
        ("action_parameters", "[1]"),
        ("action_parameters", "no json"),
        ("show_start_time", 1_800_000_000),
        ("off_line", 1),
        ("off_line_ttl", 864_001),
        ("off_line_ttl", -1),
        ("off_line_ttl", True),
        ("network_type", 2),
        ("show_ttl", 172_801),
        ("category", "OTHER"),
        ("private_title_parameters", {"a": 1}),
        ("big_picture_id", "p"),
        ("fix_speed", True),
        ("call_back_url", "https://elsewhere"),
        ("app_message_id", "mine"),
        ("clickActionType", 1),
    ],
)
def test_unfit_option_is_refused_by_name(field, value):
    """A value that OPPO cannot express, or a field that is not there, is refused by its name."""
    assert refusal_of({field: value}) == field


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"click_action_type": 1}, "click_action_activity"),
        ({"click_action_type": 4}, "click_action_activity"),
        ({"click_action_type": 2}, "click_action_url"),
        ({"click_action_type": 5}, "click_action_url"),
        ({"show_time_type": 1}, "show_start_time"),
        ({"show_time_type": 1, "show_start_time": 1_800_000_000_000}, "show_end_time"),
        ({"push_time_type": 1}, "push_start_time"),
        ({"notify_level": 1}, "category"),
        ({"style": 4}, "medium_picture_url"),
        ({"private_title_parameters": {"a": "b"}}, "private_msg_template_id"),
        ({"show_start_time": 1_800_000_000_000, "show_end_time": 1_800_000_000_000}, "show_end_time"),
        ({"style": 1, "content": "x" * 51}, "content"),
    ],
)
def test_option_that_wants_another_is_refused(given, missing):
    """Fields that want each other are checked together."""
    assert refusal_of(given) == missing


@pytest.mark.parametrize("field", ["title", "content"])
def test_blank_text_is_refused(field):
    """OPPO requires a title and a content, so blanks do not stand in for the message's own."""
    assert refusal_of({field: " \t"}) == field


def test_refusal_does_not_repeat_value():
    """What a sender wrote does not come back in the error."""
    with pytest.raises(UnfitOption) as caught:
        read_options({"category": "secret words"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", [[], "x", 5, True])
def test_options_must_be_an_object(value):
    """Anything but an object is refused as a whole."""
    assert refusal_of(value) == ""


def test_merge_prefers_what_was_chosen():
    """Defaults hold where a sender says nothing; false and zero say something."""
    merged = merge(Options(channel_id="a", off_line=True, show_ttl=5), Options(off_line=False, show_ttl=0))
    assert (merged.channel_id, merged.off_line, merged.show_ttl) == ("a", False, 0)


def test_null_means_left_out():
    """A null leaves the default alone."""
    assert read_options({"channel_id": None}) == Options()
