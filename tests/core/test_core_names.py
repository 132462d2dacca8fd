"""The core names no vendor, no SMS provider and no web socket: those are the plugins' business."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import onepush_core

CORE = Path(onepush_core.__file__).parent
TEMPLATE = CORE / "cli" / "template"
FILES = sorted(path for path in CORE.rglob("*.py") if not path.is_relative_to(TEMPLATE))
FOREIGN = re.compile(
    r"oppo|huawei|honor(?!s)|xiaomi|vivo|meizu|apns|apple|\bfcm\b|firebase|google"
    r"|aliyun|alibaba|tencent|twilio|vonage|nexmo|web.?socket|\bwss?\b|wsproto",
    re.IGNORECASE,
)
# serve.py opens the listening socket, http_worker.py closes it; connection.py ends a refused HTTP body
# without a reset; postgres_connection.py looks up the database server's address without blocking the hub;
# the doubles of a vendor and of a mail server are servers of their own.
SOCKET_USERS = {
    "http_worker.py",
    "serve.py",
    "api/connection.py",
    "store/postgres_connection.py",
    "testing/vendor.py",
    "testing/mail.py",
}


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


def test_core_touches_sockets_in_few_places():
    """Where it listens and stops to, where it refuses a body, and where it looks for the database server."""
    assert {name_of(path) for path in FILES if "socket" in imports(path)} == SOCKET_USERS


def test_foreign_names_are_recognised():
    """The search itself finds what it is for, and leaves the contract's own words alone."""
    for foreign in ("class OppoClient", "an Aliyun key", "the WebSocket address", "a web socket", "[ws]"):
        assert FOREIGN.search(foreign), foreign
    for ours in ("sms_message: str | None", "rows of a message", "sends and answers", "it draws a line"):
        assert not FOREIGN.search(ours), ours
