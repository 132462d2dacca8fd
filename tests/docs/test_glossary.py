"""docs/glossary.md: every word of the project stands there once, in order."""

from __future__ import annotations

from tests.docs.reading import read, table

REQUIRED = (
    "App, Device, Alias, Tag, Audience, Selector, Message, Transport, Outlet, Outcome, Receipt, Round, "
    "Ledger, Unreached, Lane, Chain, Trail, Lease, Backoff, TTL, Duration, Fan-out, Registration id, "
    "Backlog, Hand-over"
)
WORDS = [row[0] for row in table(read("glossary.md"))]


def test_glossary_is_sorted():
    """So that a word is found, and none stands twice."""
    assert sorted(set(WORDS), key=str.lower) == WORDS


def test_glossary_has_the_words_of_the_design():
    """The words that code and documents rely on."""
    assert set(REQUIRED.split(", ")) <= set(WORDS)


def test_glossary_explains_in_a_sentence_or_two():
    """Short, and ended by a full stop."""
    for word, meaning in table(read("glossary.md")):
        assert meaning.endswith("."), word
        assert len(meaning) < 260, word
