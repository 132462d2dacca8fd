"""What workers say to each other, as bytes and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.examples import any_machine
from onepush_core.cluster.words import (
    HandOver,
    LetGo,
    Notice,
    Place,
    Released,
    Wake,
    decode,
    encode,
    hand_over,
)
from onepush_core.objects import App, Message, Selector

MESSAGE = Message(
    key=7,
    id="m7",
    app=App(3, "app", "shop"),
    alert="hello",
    accepted_at=1,
    expires_at=2,
    need_confirm=True,
    extra={"deep": [1, "\U0001f600"]},
    selector=Selector("ALIAS", ("ann",)),
)


@pytest.mark.parametrize(
    "word", [Wake([1, 2]), LetGo(4, 9, {1: 5}), Released(9), Notice("device_removed", 5)], ids=repr
)
def test_word_survives_the_way(word):
    """Each comes out as it went in."""
    assert decode(encode(word)) == word


def test_hand_over_carries_the_message():
    """The receiver needs no look into the store."""
    word = decode(encode(hand_over(1, 2, MESSAGE, [10, 11], None, Place(5, 7, 3))))
    assert isinstance(word, HandOver)
    assert (word.sender, word.receiver, word.devices, word.fresh) == (1, 2, [10, 11], True)
    assert (word.number, word.at, word.term) == (5, 7, 3)
    assert word.message == MESSAGE


def test_hand_over_of_a_repeat_says_how_often():
    """Not a first delivery: each device's attempts are told."""
    word = hand_over(1, 2, MESSAGE, [10, 11], [1, 3])
    assert (word.fresh, word.attempts) == (False, [1, 3])


@any_machine
@given(st.binary(max_size=200))
def test_decode_takes_anything(payload):
    """What is no word is None, never an error: another version may speak."""
    assert decode(payload) is None or encode(decode(payload))
