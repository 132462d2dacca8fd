"""The text form of expressions: what it means, and where an error points."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.examples import any_machine
from onepush_core import InvalidAudience
from onepush_tags.expression import AllOf, AnyOf, Has
from onepush_tags.grammar import parse

A, B, C, D = (Has(tag) for tag in "abcd")


def not_(tag):
    """The device does not carry this tag."""
    return Has(tag.tag, wanted=False)


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("a", A),
        (" a ", A),
        ("!a", not_(A)),
        ("!!a", A),
        ("a|b", AnyOf((A, B))),
        ("a & b & c", AllOf((A, B, C))),
        ("a & b | c & d", AnyOf((AllOf((A, B)), AllOf((C, D))))),
        ("a & (b | c)", AllOf((A, AnyOf((B, C))))),
        ("!(a & !b)", AnyOf((not_(A), B))),
        ("!(a | b)", AllOf((not_(A), not_(B)))),
        ("((((a))))", A),
        ("x-y.z:1/2_3", Has("x-y.z:1/2_3")),
        ("城市 | שלום | हिन्दी", AnyOf((Has("城市"), Has("שלום"), Has("हिन्दी")))),
        ("cafe\u0301", Has("caf\u00e9")),
        ("a\t&\r\nb", AllOf((A, B))),
    ],
)
def test_grammar_reads_expression(text, expression):
    """Not binds closer than and, and that closer than or; tags are normalised to NFC."""
    assert parse(text) == expression


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("", 1, "expected a tag"),
        ("   ", 4, "expected a tag"),
        ("a b", 3, 'expected "&", "|" or the end'),
        ("a & ", 5, "expected a tag"),
        ("a && b", 4, "expected a tag"),
        ("& a", 1, "expected a tag"),
        ("a !b", 3, 'expected "&", "|" or the end'),
        ("a)", 2, 'expected "&", "|" or the end'),
        ("(a", 1, '"(" is never closed'),
        ("a & (b | (c & d)", 5, '"(" is never closed'),
        ("(a b)", 4, 'expected "&", "|" or ")"'),
        ("()", 2, "expected a tag"),
        ("a & b%", 6, "U+0025 cannot be in a tag"),
        ("a\u00a0& b", 2, "U+00A0 cannot be"),
        ("vip & \N{PARTY POPPER}", 7, "U+1F389 cannot be"),
        ("\u202eabc", 1, "U+202E cannot be"),
        ("a\0", 2, "U+0000 cannot be"),
        ("a & " + "b" * 65, 5, "longer than 64 bytes"),
        ("é" * 33, 1, "longer than 64 bytes"),
        ("|".join("abcdefghijklmnopqrstu"), 41, "more than 20 tags"),
        ("(" * 9 + "a" + ")" * 9, 9, "deeper than 8"),
        ("!" * 9 + "a", 9, "deeper than 8"),
        ("'; DROP TABLE device; --", 1, "U+0027 cannot be"),
    ],
)
def test_grammar_points_at_character(text, position, problem):
    """An error names the character at which the expression goes wrong, counted from 1."""
    with pytest.raises(InvalidAudience) as caught:
        parse(text)
    assert str(caught.value).startswith(f"audiences: character {position}: ")
    assert problem in str(caught.value)


def test_grammar_takes_what_limits_allow():
    """Twenty tags of 64 bytes, and eight levels."""
    assert len(parse("|".join(f"{letter:a<64}" for letter in "abcdefghijklmnopqrst")).parts) == 20
    assert parse("(" * 8 + "a" + ")" * 8) == A
    assert parse("!" * 8 + "a") == A


def test_grammar_refuses_long_text():
    """White space does not make an expression endless."""
    assert parse(" " * 4095 + "a") == A
    with pytest.raises(InvalidAudience, match="longer than 4096 characters"):
        parse(" " * 4096 + "a")


@any_machine
@given(st.text(max_size=60) | st.text("ab&|!() ", max_size=60))
def test_grammar_reads_or_refuses_any_text(text):
    """No text makes anything but an expression or a clear error."""
    try:
        outcome = parse(text)
    except InvalidAudience as error:
        outcome = str(error)
    assert isinstance(outcome, Has | AllOf | AnyOf) or outcome.startswith("audiences: character ")
