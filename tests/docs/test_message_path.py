"""docs/message-path.md: every file and function that it names exists."""

from __future__ import annotations

import importlib
import re

import pytest

from onepush_core.plugins import HOOKS
from tests.docs.reading import ROOT, read, sections, table

PAGE = read("message-path.md")
NAMED = sorted(set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)(?:::([A-Za-z_.]+))?`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda part: part or "file")
def test_named_place_exists(path, name):
    """The file is there, and the class, method or function in it."""
    assert (ROOT / "onepush_core" / path).is_file()
    place = importlib.import_module("onepush_core." + path.removesuffix(".py").replace("/", "."))
    for part in filter(None, name.split(".")):
        place = getattr(place, part)
    assert place.__module__ == f"onepush_core.{path.removesuffix('.py').replace('/', '.')}" if name else True


def test_page_has_eight_steps():
    """Eight lines, each with a place in the code and a paragraph of its own."""
    rows = table(PAGE)
    assert [row[0].split()[0] for row in rows] == list("12345678")
    assert all("::" in row[1] for row in rows)
    assert [heading.split()[0] for heading in sections(PAGE)][:8] == list("12345678")


def test_page_names_hooks_of_a_message():
    """Every hook that has to do with a message stands at its step."""
    named = {hook for row in table(PAGE) for hook in re.findall(r"`(\w+)`", row[2])}
    assert named == set(HOOKS) - {"check_registration", "register_routes", "startup", "shutdown"}


def test_page_leaves_no_file_out():
    """Each module of the core itself has its place: on the path, before it or beside it."""
    modules = {path.name for path in (ROOT / "onepush_core").glob("*.py") if not path.name.startswith("__")}
    assert modules - {path for path, _ in NAMED} == set()
