"""The core names no vendor, no SMS provider and no web socket: those are the plugins' business."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "onepush_core"
FILES = sorted(CORE.rglob("*.py"))
FOREIGN = re.compile(
    r"oppo|huawei|honor(?!s)|xiaomi|vivo|meizu|apns|apple|\bfcm\b|firebase|google"
    r"|aliyun|alibaba|tencent|twilio|vonage|nexmo|web.?socket|\bwss?\b|wsproto",
    re.IGNORECASE,
)
# serve.py opens the listening socket; connection.py ends a refused HTTP body without a reset.
SOCKET_USERS = {"serve.py", "api/connection.py"}


def name_of(path: Path) -> str:
    return path.relative_to(CORE).as_posix()


def imports(path: Path) -> set[str]:
    """First names of the modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_core_file_names_no_channel(path):
    """Not in code, not in a comment, not in a docstring."""
    lines = enumerate(path.read_text("utf-8").splitlines(), 1)
    assert [f"{number}: {line.strip()}" for number, line in lines if FOREIGN.search(line)] == []


def test_core_imports_no_plugin():
    """Nor anything that only a plugin needs."""
    for path in FILES:
        found = imports(path)
        assert not [module for module in found if module.startswith("onepush_") and module != "onepush_core"]
        assert not found & {"websockets", "wsproto", "phonenumbers"}, name_of(path)


def test_core_touches_sockets_in_two_places():
    """Where it listens, and where it refuses a body."""
    assert {name_of(path) for path in FILES if "socket" in imports(path)} == SOCKET_USERS


def test_foreign_names_are_recognised():
    """The search itself finds what it is for, and leaves the contract's own words alone."""
    for foreign in ("class OppoClient", "an Aliyun key", "the WebSocket address", "a web socket", "[ws]"):
        assert FOREIGN.search(foreign), foreign
    for ours in ("sms_message: str | None", "rows of a message", "sends and answers", "it draws a line"):
        assert not FOREIGN.search(ours), ours
