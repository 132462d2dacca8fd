"""docs/promises.md: eleven promises, and every test that it names is there."""

from __future__ import annotations

import re

import pytest

from tests.docs.reading import ROOT, read, sections

PROMISES = {int(heading.split()[0]): text for heading, text in sections(read("promises.md")).items()}
NAMED = re.compile(r"`(test_\w+|Test\w+)`")
DEFINED = re.compile(r"^\s*(?:def|class) (test_\w+|Test\w+)", re.MULTILINE)


@pytest.fixture(scope="module")
def defined() -> set[str]:
    """The names of all tests."""
    files = (ROOT / "tests").rglob("test_*.py")
    return {name for file in files for name in DEFINED.findall(file.read_text("utf-8"))}


def test_page_has_eleven_promises():
    """In order, with nothing left out."""
    assert list(PROMISES) == list(range(1, 12))


@pytest.mark.parametrize("number", PROMISES)
def test_promise_is_held_by_tests(number, defined):
    """Each promise names tests, one at least is named after it, and all of them exist."""
    named = set(NAMED.findall(PROMISES[number]))
    assert any(name.startswith(f"test_promise_{number:02}_") for name in named)
    assert named - defined == set()


def test_page_names_every_test_of_a_promise(defined):
    """A test that is named after a promise stands under it."""
    for name in sorted(name for name in defined if re.match(r"test_promise_\d\d_", name)):
        assert f"`{name}`" in PROMISES[int(name.split("_")[2])], name


def test_page_tells_the_limits():
    """A promise without its limits is half a promise: each section has some."""
    assert [number for number, text in PROMISES.items() if "\n- " not in text] == []
