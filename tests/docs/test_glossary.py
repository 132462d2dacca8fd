"""docs/glossary.md: every word of the project stands there once, in order, and means what the code means."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

from onepush_core import Status, objects
from onepush_core.objects import DeliveryState, Platform
from onepush_core.reports import STATE_WORDS
from onepush_core.roster import STATES
from tests.docs.reading import read, table

REQUIRED = (
    "App, Device, Alias, Tag, Audience, Selector, Message, Transport, Outlet, Outcome, Receipt, Round, "
    "Ledger, Unreached, Lane, Chain, Trail, Lease, Backoff, TTL, Duration, Fan-out, Registration id, "
    "Backlog, Hand-over, Plugin, Hook, Set aside, Idle, Required, API version, Public door"
)
MEANINGS = {row[0]: row[1] for row in table(read("glossary.md"))}
WORDS = [row[0] for row in table(read("glossary.md"))]
CLASSES = [node.name for node in ast.parse(inspect.getsource(objects)).body if isinstance(node, ast.ClassDef)]


def test_glossary_is_sorted():
    """So that a word is found, and none stands twice."""
    assert sorted(set(WORDS), key=str.lower) == WORDS


def test_glossary_has_the_words_of_the_design():
    """The words that code and documents rely on."""
    assert set(REQUIRED.split(", ")) <= set(WORDS)


@pytest.mark.parametrize("name", CLASSES)
def test_glossary_has_the_word_of(name):
    """What travels between modules: ``Devices`` are found under Device, ``DeliveryState`` under Delivery."""
    word = re.findall(r"[A-Z][a-z]+", name)[0]
    assert word in WORDS or word.removesuffix("s") in WORDS


@pytest.mark.parametrize(
    ("word", "members"),
    [
        ("Outcome", [one.name for one in Status]),
        ("Delivery", [STATE_WORDS[one].replace("handedOff", "handed off") for one in DeliveryState]),
        ("Platform", [one.name for one in Platform]),
        ("Plugin", STATES),
    ],
)
def test_glossary_names_all_kinds_of(word, members):
    """The kinds that the code knows, and no other."""
    assert [one for one in members if not re.search(rf"\b{one}\b", MEANINGS[word])] == []
    if members[0].isupper():
        assert set(re.findall(r"\b[A-Z]{2,}\b", MEANINGS[word])) == set(members)


def test_glossary_explains_in_a_sentence_or_two():
    """Short, and ended by a full stop."""
    for word, meaning in table(read("glossary.md")):
        assert meaning.endswith("."), word
        assert len(meaning) < 260, word
