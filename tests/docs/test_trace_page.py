"""docs/trace.md: the lines that it shows are the lines that come."""

from __future__ import annotations

import re
from itertools import groupby

from core_doubles import add_device, make_app, make_gateway
from inside_gateway import send, settle
from onepush_core.plugins import HOOKS
from onepush_core.testing import RecordingSockets
from tests.docs.reading import read

LINE = re.compile(
    rf"TRACE (-|[0-9a-z]{{26}}) ({'|'.join(HOOKS)}) \[[\w.,]+\] -> (\[.*\]|\w+|raised \w+) \d+\.\d\d ms"
)


def shown() -> list[str]:
    return [line for line in read("trace.md").splitlines() if line.startswith("TRACE ")]


def hooks_of(lines: list[str]) -> list[str]:
    """The hooks in order; plugins asked one after the other count once."""
    return [hook for hook, _ in groupby(line.split()[2] for line in lines)]


def test_page_shows_lines_as_they_are_written(tmp_path):
    """Real lines and shown lines have one form, and the hooks of a send come in the order shown."""
    lines: list[str] = []
    gateway = make_gateway(tmp_path, RecordingSockets())
    try:
        app = make_app(gateway)
        add_device(gateway, app, "t", "ann")
        gateway.plugins.trace(lines.append)
        key = gateway.rotate_key(app.id)["appKey"]
        message = send(gateway, gateway.authenticate(app.id, key))
        settle(gateway)
    finally:
        gateway.stop()
        gateway.close()
    written = [line.rstrip("\n") for line in lines]
    assert [line for line in written + shown() if not LINE.fullmatch(line)] == []
    path = ["authenticate_app", "resolve_audience", "deliver"]
    assert hooks_of(written) == path
    assert hooks_of(shown())[2:5] == path
    assert [line.split()[1:4] for line in written if " deliver " in line] == [[message, "deliver", "[one]"]]
    assert not any(key in line for line in written)
