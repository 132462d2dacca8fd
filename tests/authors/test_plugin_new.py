"""What ``onepush plugin new`` writes installs, passes its tests, and delivers at once."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import requests

from harness.fresh_venv import FreshVenv
from harness.process import GatewayProcess
from tests.authors.reader import Reader, blocks_of, with_free_ports

NAME, PACKAGE = "web-pager", "onepush_web_pager"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A virtual environment of its own."""
    return FreshVenv(tmp_path_factory.mktemp("venv"))


@pytest.fixture(scope="module")
def made(fresh, tmp_path_factory):
    """A new plugin, written and installed there."""
    folder = tmp_path_factory.mktemp("author")
    fresh.run("onepush", "plugin", "new", NAME, folder=folder)
    fresh.run("pip", "install", ".", folder=folder / PACKAGE)
    return folder / PACKAGE


@pytest.fixture
def toy_vendor(made, fresh):
    """The toy of the vendor's server, as its README starts it: its process and its address."""
    command = [fresh.python, "toy_vendor.py"]
    process = subprocess.Popen(command, cwd=made, stdout=subprocess.PIPE, text=True)
    yield process, process.stdout.readline().split()[-1]
    process.terminate()
    process.wait(10)
    process.stdout.close()


def test_new_plugin_readme_works_when_typed_along(made, tmp_path):
    """From the installation, over its tests, to the line that the toy vendor prints."""
    fresh = FreshVenv(tmp_path / "venv")
    desk = shutil.copytree(made, tmp_path / "desk")
    reader = Reader(desk, fresh.environment())
    try:
        for block in blocks_of(with_free_ports((desk / "README.md").read_text())):
            reader.follow(block)
    finally:
        reader.close()


def test_new_plugin_is_listed(fresh, made, tmp_path):
    """Installed under its name, idle without settings, and it says why."""
    said = fresh.run("onepush", "plugins", "--database", f"sqlite:///{tmp_path}/x.db", folder=tmp_path)
    [line] = [line for line in said.splitlines() if line.startswith(f"{NAME} ")]
    assert "0.1.0" in line
    assert "idle" in line
    assert line.endswith(f"no url in [{NAME}]")


def test_new_plugin_wheel_holds_its_package_only(fresh, made, tmp_path):
    """Neither the toy vendor nor the tests are shipped."""
    fresh.run("pip", "wheel", ".", "-w", str(tmp_path), folder=made)
    [wheel] = tmp_path.glob("*.whl")
    listed = fresh.run("python", "-m", "zipfile", "-l", str(wheel), folder=tmp_path)
    names = {line.split()[0] for line in listed.splitlines()[1:]}
    assert {name.split("/")[0] for name in names} == {PACKAGE, f"{PACKAGE}-0.1.0.dist-info"}
    assert f"{PACKAGE}/py.typed" in names


def test_new_plugin_delivers(fresh, toy_vendor, tmp_path):
    """A real gateway that loads it hands a message to the toy vendor, which prints it."""
    process, url = toy_vendor
    settings = {"plugins": {"load": [NAME], "required": [NAME]}, NAME: {"url": url, "key": "a-toy-key"}}
    gateway = GatewayProcess(tmp_path, settings, python=fresh.python)
    try:
        app = gateway.start().create_app()
        app.register("ann", token="ann-at-home", vendor="WEB_PAGER")
        request = app.send("ann", alert="dinner is ready", title="Home")
        assert process.stdout.readline() == "WebPager delivers to ann-at-home: Home: dinner is ready\n"
        app.await_counts(request, handedOff=1)
    finally:
        gateway.stop()


def test_new_plugin_refuses_bad_settings(fresh, made, tmp_path):
    """With one line that names the table and the key."""
    gateway = GatewayProcess(
        tmp_path, {"plugins": {"load": [NAME]}, NAME: {"timeout": "long"}}, python=fresh.python
    )
    gateway.spawn()
    try:
        assert gateway.process.wait(20) == 1
        assert "[web-pager] Expected `float`, got `str` - at `$.timeout`" in gateway.log_text()
    finally:
        gateway.stop()


def test_toy_vendor_is_strict(toy_vendor):
    """A wrong key, and a call that the real vendor would not understand."""
    _, url = toy_vendor
    body = {"addresses": ["a"], "text": "t"}
    assert requests.post(url, json=body, headers={"X-Key": "wrong"}, timeout=5).status_code == 401
    for wrong in ({**body, "addresses": []}, {**body, "addresses": ["a"] * 101}, {"addresses": ["a"]}):
        assert requests.post(url, json=wrong, headers={"X-Key": "a-toy-key"}, timeout=5).status_code == 400
