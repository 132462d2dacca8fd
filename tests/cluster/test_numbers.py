"""What has come in from one sender: in order, late, or again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.examples import any_machine
from onepush_core.cluster.gaps import DOUBT, Doubt, Giver, Numbers, Places

APP, OTHER = 1, 2


def test_numbers_know_the_next_one():
    """Counted from one without gaps: each is the next."""
    numbers = Numbers()
    assert [numbers.take(number) for number in (1, 2, 3)] == [True, True, True]


def test_numbers_know_a_gap():
    """After a loss nothing is certain for one page; then the order is known again."""
    numbers = Numbers()
    assert [numbers.take(number) for number in (1, 3, 4)] == [True, False, True]


def test_numbers_know_what_came_late():
    """What was overtaken is not in order, and does not disturb it."""
    numbers = Numbers()
    assert [numbers.take(number) for number in (2, 1, 3)] == [False, False, True]


def test_doubt_is_about_each_device_once():
    """After a gap each device is looked up once; after another gap, or never after its time."""
    doubt = Doubt()
    assert doubt.suspects(APP, [1, 2], 0.0) == []
    doubt.begin(10.0)
    assert doubt.suspects(APP, [1, 2], 11.0) == [1, 2]
    doubt.clear(APP, [1])
    assert doubt.suspects(APP, [1, 2], 12.0) == [2]
    doubt.begin(13.0)
    assert doubt.suspects(APP, [1, 2], 14.0) == [1, 2]
    assert doubt.suspects(APP, [1, 2], 13.0 + DOUBT) == []


def test_doubt_of_one_app_leaves_the_others_alone():
    """Its lane has changed hands: only its own devices may miss something, until they are looked up."""
    doubt = Doubt()
    doubt.begin(10.0)
    doubt.clear(OTHER, [3])
    doubt.begin(11.0, APP)
    assert doubt.suspects(OTHER, [3], 12.0) == []
    assert doubt.suspects(APP, [1, 2], 10.5 + DOUBT) == [1, 2]
    doubt.clear(APP, [1])
    assert doubt.suspects(APP, [1, 2], 10.5 + DOUBT) == [2]


def test_places_begin_in_doubt():
    """Whose pages have never come here may have had one that was lost."""
    places, giver = Places(), Giver(1, 1)
    assert places.changes_hands(APP, giver)
    places.advance(APP, giver, 5)
    assert not places.changes_hands(APP, giver)
    assert places.changes_hands(APP, Giver(1, 2))


@any_machine
@given(st.lists(st.integers(1, 20)))
def test_numbers_take_each_once(given_numbers):
    """However often and in whatever order they come: each is taken once."""
    numbers = Numbers()
    taken = [number for number in given_numbers if numbers.take(number) is not None]
    assert sorted(taken) == sorted(set(given_numbers))
