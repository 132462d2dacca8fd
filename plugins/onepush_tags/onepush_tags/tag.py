"""What a tag may look like. Pure."""

from __future__ import annotations

import unicodedata

MAX_BYTES = 64
MAX_PER_DEVICE = 100
PUNCTUATION = frozenset("_-.:/")
CATEGORIES = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd"})
"""Unicode's letters, the marks that many scripts write letters with, and decimal digits."""
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u180b\u180c\u180d\u180f") | frozenset(
    map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)])
)
"""Letters and marks by category that show nothing: two tags must not look the same."""


def is_tag_character(character: str) -> bool:
    """Whether a tag may hold this character."""
    if character.isascii():
        return character.isalnum() or character in PUNCTUATION
    return unicodedata.category(character) in CATEGORIES and character not in INVISIBLE


def normalised(text: str) -> str:
    """The tag in Unicode's form NFC, in which tags are stored and compared."""
    return unicodedata.normalize("NFC", text)


def problem_with(text: str) -> str | None:
    """What keeps a text (in NFC) from being a tag, without repeating it; None if it is one."""
    if not text:
        return "a tag must not be empty"
    if len(text) > MAX_BYTES:
        return f"a tag is longer than {MAX_BYTES} bytes"
    for position, character in enumerate(text, 1):
        if not is_tag_character(character):
            return f"character {position} ({code_point(character)}) cannot be in a tag"
    if len(text.encode()) > MAX_BYTES:
        return f"a tag is longer than {MAX_BYTES} bytes"
    return None


def code_point(character: str) -> str:
    """A character by its number, so that an error never repeats what was sent."""
    return f"U+{ord(character):04X}"
