"""The examples are distributions: they build, install, load, and deliver from a real gateway."""

from __future__ import annotations

import shutil
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from harness.fresh_venv import FreshVenv
from harness.process import GatewayProcess
from harness.waiting import eventually
from onepush_core.testing import FakeVendor

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/pyproject.toml"))
KEY = "ynJ5Ft4atkMkWeo2PAvFhF"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A virtual environment with all examples in it."""
    made = FreshVenv(tmp_path_factory.mktemp("venv"))
    for example in EXAMPLES:
        copy = tmp_path_factory.mktemp("examples") / example.name
        shutil.copytree(example, copy, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
        made.run("pip", "install", ".", folder=copy)
    return made


def bark_server():
    """The strict server of the example's own tests."""
    spec = spec_from_file_location(
        "bark_server", ROOT / "examples" / "onepush_bark" / "tests" / "bark_server.py"
    )
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_examples_are_idle_without_settings(fresh, tmp_path):
    """Listed with version, hooks and the reason."""
    said = fresh.run("onepush", "plugins", "--database", f"sqlite:///{tmp_path}/x.db", folder=tmp_path)
    lines = {line.split()[0]: line for line in said.splitlines() if "0.1.0" in line}
    assert lines["pigeon"].endswith("no url in [pigeon]")
    assert lines["bark"].endswith("no url in [bark]")
    assert "check_send, deliver, shutdown" in lines["bark"].replace("  ", "")


def test_bark_example_delivers(fresh, tmp_path):
    """From a REST call to what the phone shows, credentials and all; a dead key is told as such."""
    bark = bark_server()
    server = bark.BarkServer({KEY})
    vendor = FakeVendor(server.answer)
    table = {"url": vendor.url, "user": bark.USER, "password": bark.PASSWORD}
    gateway = GatewayProcess(
        tmp_path, {"plugins": {"load": ["bark"], "required": ["bark"]}, "bark": table}, python=fresh.python
    )
    try:
        app = gateway.start().create_app()
        app.register("ann", "IOS", KEY, vendor="BARK")
        gone = app.register("ann", "IOS", "an-old-key", vendor="BARK")
        request = app.send("ann", alert="your order is here", options={"bark": {"group": "shop"}})
        eventually(lambda: server.shown)
        assert server.shown[KEY][request] == {"body": "your order is here", "group": "shop", "id": request}
        assert app.await_trail(request, gone, "bark")["reason"] == "unknown key"
        assert bark.PASSWORD not in gateway.log_text()
        assert KEY not in gateway.log_text()
    finally:
        gateway.stop()
        vendor.close()
