"""How many SMS a text makes. Pure. Source: 3GPP TS 23.038 section 6.2.1 and TS 23.040 section 9.2.3.24."""

from __future__ import annotations

from collections.abc import Iterable

GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("^{}\\[~]|€\f")


def count_segments(text: str) -> int:
    """Segments of a text that travels in the GSM alphabet where it can, else in UCS-2."""
    if all(letter in GSM or letter in GSM_EXTENSION for letter in text):
        return _pack((2 if letter in GSM_EXTENSION else 1 for letter in text), 160, 153)
    return count_characters(text)


def count_characters(text: str) -> int:
    """Segments where every text counts by characters: 70, or 67 each when there are several."""
    return _pack((2 if ord(letter) > 0xFFFF else 1 for letter in text), 70, 67)


def _pack(widths: Iterable[int], alone: int, each: int) -> int:
    """No character is split between two segments."""
    total, used, segments = 0, 0, 1
    for width in widths:
        total += width
        used += width
        if used > each:
            segments, used = segments + 1, width
    return 1 if total <= alone else segments
