"""docs/hooks.md against hookspecs.py, the gateway and the public door; and each hook has its tests."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

import onepush_core
from onepush_core import Gateway, Status, hookspecs
from onepush_core.plugins import HOOKS
from tests.docs.reading import ROOT, python_blocks, read, sections, table

PAGE = read("hooks.md")
SECTIONS = sections(PAGE)


def signature(function: ast.FunctionDef) -> str:
    assert function.returns is not None
    return f"def {function.name}({ast.unparse(function.args)}) -> {ast.unparse(function.returns)}"


def specified() -> dict[str, str]:
    """The signature of each hook, from the source."""
    tree = ast.parse(inspect.getsource(hookspecs))
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name: signature(node) for node in found if node.name in HOOKS}


@pytest.mark.parametrize("hook", HOOKS)
def test_page_shows_the_signature_of(hook):
    """The first block of a hook's section is its signature, word for word."""
    assert python_blocks(SECTIONS[hook])[0].strip() == specified()[hook]


def test_page_lists_all_hooks():
    """The table of hooks and the sections name the nine hooks and no other."""
    assert {row[0].strip("`") for row in table(PAGE)} == set(HOOKS)
    assert [name for name in SECTIONS if name in HOOKS] == [row[0].strip("`") for row in table(PAGE)]


@pytest.mark.parametrize("hook", HOOKS)
def test_hook_has_a_test_of_its_contract(hook):
    """Somewhere under tests/ a test is named for it."""
    pattern = re.compile(rf"^def test_hook_{hook}_\w+\(", re.MULTILINE)
    assert any(pattern.search(path.read_text("utf-8")) for path in (ROOT / "tests").rglob("test_*.py"))


def test_page_lists_every_status():
    """The table of outcomes has each status once."""
    assert sorted(row[0].strip("`") for row in table(SECTIONS["Outcomes"])) == sorted(Status.__members__)


def test_page_lists_the_public_door():
    """What ``onepush_core`` exports is on the page, and nothing else is called exported."""
    listed = set(re.findall(r"`(\w+)`", SECTIONS["The public door"])) - {"code"}
    assert listed == set(onepush_core.__all__)


def test_page_shows_methods_of_the_gateway():
    """Each method exists and takes what the page says."""
    shown = re.findall(r"^\| `gateway\.(\w+)\(([^)]*)\)`", PAGE, re.MULTILINE)
    assert len(shown) > 10
    for name, arguments in shown:
        _, *parameters = inspect.signature(getattr(Gateway, name)).parameters
        assert parameters == [one.strip() for one in arguments.split(",") if one], name
