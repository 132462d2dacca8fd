"""The pure parts: numbers, segments, templates and codes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from harness.examples import any_machine
from onepush_core import ConfigurationError
from onepush_sms.numbers import digest, parse_number, spellings
from onepush_sms.objects import Sms, safe_code
from onepush_sms.segments import GSM, GSM_EXTENSION, count_characters, count_segments
from onepush_sms.templates import MissingValueError, check_template, extra_keys, fill

SMS = Sms(7, "app", "+8613711112222", "hello", {"code": "12 34", "times": 3, "none": None})


@pytest.mark.parametrize(
    "written",
    [
        "13711112222",
        "+8613711112222",
        "8613711112222",
        "008613711112222",
        "+86 137 1111 2222",
        "137-1111-2222",
        "(137) 1111 2222",
    ],
)
def test_number_reads_spellings(written):
    """All the usual spellings are one number, and the index finds each of them."""
    number = parse_number(written, "CN")
    assert number is not None
    assert number.e164 == "+8613711112222"
    bare = written.translate(str.maketrans("", "", " -()"))
    assert bare in spellings(number, "CN")


@pytest.mark.parametrize("written", [None, "", "12345", "hello", "+86", "13711112222 ext. 5", "+19005551234"])
def test_number_refuses_nonsense(written):
    """What is no number, or one at a premium rate, gets no SMS."""
    assert parse_number(written, "CN") is None


@pytest.mark.parametrize(
    ("written", "mask"),
    [
        ("+8613711111111", "+86 137****1111"),
        ("+14155552671", "+1 ****2671"),
        ("+447911123456", "+44 ****3456"),
    ],
)
def test_number_shows_mask(written, mask):
    """China shows seven digits, other countries four; not even its repr shows more."""
    number = parse_number(written, "CN")
    assert number.mask == mask
    assert written[-8:] not in repr(number)


def test_digest_differs_by_app_and_kind():
    """The same value is remembered by another digest in each app, and as alias and number."""
    found = {digest(app, kind, "x") for app in ("a", "b") for kind in ("number", "alias")}
    assert len(found) == 4


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("€" * 153, 3),
        ("中" * 70, 1),
        ("中" * 71, 2),
        ("中" * 134, 2),
        ("中" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 67, 3),
    ],
)
def test_segments_are_counted(text, segments):
    """160 or 153 septets, 70 or 67 UCS-2 units; no character is split (3GPP TS 23.040)."""
    assert count_segments(text) == segments


@any_machine
@given(some.text(max_size=500))
def test_segments_hold_text(text):
    """The segments have room for the text, and one less would not have."""
    wide = all(letter in GSM or letter in GSM_EXTENSION for letter in text)
    segments = count_segments(text)
    units = (
        sum(2 if letter in GSM_EXTENSION else 1 for letter in text)
        if wide
        else len(text.encode("utf-16-le")) // 2
    )
    alone, each = (160, 153) if wide else (70, 67)
    assert units <= (alone if segments == 1 else segments * each)
    assert segments == 1 or units > (segments - 1) * (each - 1)


def test_characters_ignore_alphabet():
    """Where texts count by characters, Latin ones do too."""
    assert count_characters("a" * 71) == 2


def test_template_is_filled():
    """Placeholders are filled wherever they stand; other braces and values stay."""
    template = {
        "to": "{number}",
        "list": ["{smsMessage}!", 5, None],
        "code": "{extra.code}/{extra.times}",
        "x": "{ }",
    }
    assert fill(template, SMS) == {
        "to": "+8613711112222",
        "list": ["hello!", 5, None],
        "code": "12 34/3",
        "x": "{ }",
    }


def test_template_is_not_filled_twice():
    """A value that looks like a placeholder is a value."""
    assert fill("{smsMessage}", SMS._replace(text="{number}")) == "{number}"


@pytest.mark.parametrize("extra", [None, "text", {}, {"code": None}])
def test_template_misses_value(extra):
    """A placeholder without a value is an error, not an empty text."""
    with pytest.raises(MissingValueError, match=r"extra\.code"):
        fill("{extra.code}", SMS._replace(extra=extra))


def test_template_tells_keys_of_extra():
    """The keys of ``extra`` that a template needs are known beforehand."""
    assert extra_keys({"a": ["{extra.code}", "{smsMessage}"], "b": "{extra.name}"}) == {"code", "name"}


@pytest.mark.parametrize("template", ["{text}", {"a": ["{extra}"]}, "{extra.}"])
def test_template_with_unknown_placeholder_is_refused(template):
    """A placeholder that does not exist is a configuration error that names the setting."""
    with pytest.raises(ConfigurationError, match=r"^http\.json: no placeholder"):
        check_template("http.json", template)


def test_code_is_made_safe():
    """Nothing that could be a number, or break a line, gets from a provider's code into the trail."""
    assert safe_code("isv.X 13711112222\n") == "isv.X…"
    assert safe_code("") == "unknown"
