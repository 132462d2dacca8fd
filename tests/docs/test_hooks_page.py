"""docs/hooks.md against hookspecs.py, the gateway and the public door; and each hook has its tests."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

import onepush_core
from onepush_core import Gateway, Status, hookspecs, offering, plugins, starting
from onepush_core.plugins import FIRST_RESULT, HOOKS, Plugins
from tests.docs.reading import ROOT, python_blocks, read, sections, table

PAGE = read("hooks.md")
SECTIONS = sections(PAGE)
ROWS = {row[0].strip("`"): row[1:] for row in table(SECTIONS["The hooks"])}
"""Of each hook: when it is called, whose answer counts, what None and what an exception means."""


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
    """The table of hooks and the sections name the ten hooks and no other, in one order."""
    assert set(ROWS) == set(HOOKS)
    assert [name for name in SECTIONS if name in HOOKS] == list(ROWS)


@pytest.mark.parametrize("hook", HOOKS)
def test_page_says_of_hook(hook):
    """When it is called, whose answer counts, and what None and an exception mean."""
    called, answers, none, exception = ROWS[hook]
    assert all([called, answers, none, exception])
    assert answers.startswith("the first one that is not None") == (hook in FIRST_RESULT)


def test_page_says_in_which_order():
    """Of several plugins with the same hook; and each hook's turn in the life of a gateway."""
    assert (
        "\nOrder: `@hookimpl(tryfirst=True)` first, `@hookimpl(trylast=True)` last" in SECTIONS["The hooks"]
    )
    assert ROWS["register_routes"][0] == "once, after all `startup`"


def test_firstresult_is_what_the_specs_say():
    """The hooks of which one answer counts are marked so."""
    specs = Plugins().manager.hook
    assert {hook for hook in HOOKS if getattr(specs, hook).spec.opts["firstresult"]} == set(FIRST_RESULT)


def test_page_gives_the_seconds_of_the_code():
    """The deadlines of the small hooks, of ``check_back`` and of a start."""
    words = {1.0: "one", 2.0: "two", 4.0: "four"}
    told = (
        f"has {words[plugins.DEADLINE]} seconds, `check_back` {words[offering.CHECK_BACK_DEADLINE]},"
        f" `startup` and `register_routes` {words[starting.DEADLINE]}"
    )
    assert told in PAGE


def test_page_helps_to_choose():
    """Each hook stands beside what one would want it for."""
    chosen = re.findall(r"`(\w+)`", " ".join(row[1] for row in table(read("choose-your-hook.md"))))
    assert set(HOOKS) <= set(chosen)


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
