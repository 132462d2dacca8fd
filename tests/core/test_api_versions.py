"""The API that plugins are written for: it changes only together with its version."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from functools import partial

import pytest
from falcon.testing import TestClient

from core_doubles import add_device, make_app
from harness.needs import need_source
from inside_gateway import counts, send, trail
from onepush_core import API_VERSION, Gateway, InvalidField, Selector, api
from onepush_core.plugins import load_plugins
from onepush_core.settings import Settings, StoreSettings
from onepush_core.testing import await_that
from tests.core.api_snapshot import FOLDER, ROOT, breaks, describe, record_of
from tests.core.written_for_1_0 import Pager

pytestmark = pytest.mark.once

OLD = {"hooks": {"deliver": ["message"]}, "door": {"Outcome": ["device", "reason="], "page_of": ["req"]}}


def changed(kind, name, parts):
    """``OLD`` with one thing changed; None: taken away."""
    new = {one: dict(names) for one, names in OLD.items()}
    new[kind][name] = parts
    if parts is None:
        del new[kind][name]
    return new


def test_api_is_what_its_version_says():
    """A change of hooks, of the public door or of the gateway's methods needs another API_VERSION.

    Before a version is released, its record is written again: ``python -m tests.core.api_snapshot``.
    """
    assert describe() == json.loads(record_of(API_VERSION).read_text("utf-8"))


def test_api_breaks_no_earlier_minor_version():
    """What plugins for an earlier version of this major number rely on is there."""
    earlier = [path for path in FOLDER.glob("*.json") if path.stem.split(".")[0] == str(API_VERSION[0])]
    for path in earlier:
        assert breaks(json.loads(path.read_text("utf-8")), describe()) == [], path.stem


@pytest.mark.parametrize(
    ("kind", "name", "parts"),
    [
        ("hooks", "deliver", ["message", "urgency"]),
        ("hooks", "on_read", ["receipt"]),
        ("door", "Outcome", ["device", "reason=", "cost="]),
        ("door", "Outcome", ["device=", "reason="]),
        ("door", "Price", ["amount"]),
    ],
)
def test_addition_breaks_nothing(kind, name, parts):
    """A hook, an argument of a hook, a name, or something that may be left out: a new minor version."""
    assert breaks(OLD, changed(kind, name, parts)) == []


@pytest.mark.parametrize(
    ("kind", "name", "parts", "told"),
    [
        ("hooks", "deliver", [], "hooks: deliver: message is gone"),
        ("hooks", "deliver", None, "hooks: deliver is gone"),
        ("door", "Outcome", ["reason="], "door: Outcome: device is gone"),
        ("door", "Outcome", ["device", "reason"], "door: Outcome: reason is demanded"),
        ("door", "page_of", ["req", "limit"], "door: page_of: limit is demanded"),
    ],
)
def test_what_takes_away_or_demands_breaks_plugins(kind, name, parts, told):
    """That needs a new major version."""
    assert breaks(OLD, changed(kind, name, parts)) == [told]


@contextmanager
def running_with(folder, pager):
    """A gateway with one plugin called ``pager``, and its HTTP side."""
    plugins = load_plugins({}, [])
    plugins.register(pager, "pager")
    gateway = Gateway(Settings(store=StoreSettings(database=f"sqlite:///{folder}/x.db")), plugins=plugins)
    application = api.create_app(gateway)
    gateway.start(partial(api.mount, application))
    try:
        yield gateway, TestClient(application)
    finally:
        gateway.stop()
        gateway.close()


def test_plugin_written_for_1_0_works(tmp_path):
    """Each hook of a plugin that nobody has touched since is called, and does what it did."""
    pager = Pager()
    with running_with(tmp_path, pager) as (gateway, client):
        app = make_app(gateway)
        key = add_device(gateway, app, "t", vendor="PAGER")
        assert client.simulate_get("/pager").text == "written for 1.0"
        assert gateway.authenticate(app.id, "beep") == app
        with pytest.raises(InvalidField, match=r"options\.pager\.tone: 0 to 3"):
            send(gateway, app, options={"pager": {"tone": 9}})
        message = send(gateway, app, Selector("PAGERS", ("all",)), need_confirm=True)
        await_that(lambda: trail(gateway, app, message) == [("pager", "sent", "beeped")])
        gateway.confirm("pager", message, key)
        await_that(lambda: "on_confirm" in pager.called)
        assert (pager.receipt.device, counts(gateway, app, message)) == (key, {"confirmed": 1})
        assert gateway.plugin_details() == {"pager": ["1 apps"]}
    assert set(pager.called) == set(json.loads((FOLDER / "1.0.json").read_text("utf-8"))["hooks"])


def test_our_plugins_use_what_is_promised():
    """What plugins of this repository ask of the gateway stands on the page that third parties read."""
    need_source()
    page = (ROOT / "docs" / "hooks.md").read_text("utf-8").split("## What a plugin can ask of the gateway")[1]
    promised = set(re.findall(r"^\| `gateway\.(\w+)", page, re.MULTILINE)) | set(
        re.findall(
            r"`(\w+)`", "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
        )
    )
    used = {
        name
        for path in ROOT.glob("plugins/*/onepush_*/**/*.py")
        for name in re.findall(r"(?:self\.|(?<![.\w]))_?gateway\.(\w+)", path.read_text("utf-8"))
    }
    assert used
    assert used - promised == set()
