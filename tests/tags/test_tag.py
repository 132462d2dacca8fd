"""What a tag may look like."""

import pytest

from onepush_tags.tag import normalised, problem_with

GOOD = ["a", "A9", "_-.:/", "城市", "مرحبا", "ไทย", "हिन्दी", "é", "x" * 64, "é" * 32]
ASCII = ["", " ", "a b", "a%", "a,b", "a*", "'", '"', "a;b", "a\\b", "a\0", "a\n", "x" * 65, "x" * 10_000]
SYMBOLS = ["\N{PARTY POPPER}", "a\u200d", "\u202ea", "a\ufe0f", "\u3164", "½", "Ⅷ", "1\u20e3", "é" * 33]


@pytest.mark.parametrize("tag", GOOD)
def test_tag_takes_letters_of_any_script(tag):
    """Letters with their marks, digits and five punctuation marks, up to 64 bytes."""
    assert problem_with(tag) is None


@pytest.mark.parametrize("tag", [*ASCII, *SYMBOLS])
def test_tag_refuses_anything_else(tag):
    """White space, wildcards, quotes, controls, emoji, what is invisible, and what is too long."""
    assert problem_with(tag) is not None


def test_tag_problem_does_not_repeat_tag():
    """The message says where and which code point, not what was sent."""
    assert problem_with("ab$secret") == "character 3 (U+0024) cannot be in a tag"


def test_tag_is_normalised():
    """Two ways to write the same letters are one tag."""
    assert normalised("cafe\u0301") == normalised("caf\u00e9") == "caf\u00e9"
