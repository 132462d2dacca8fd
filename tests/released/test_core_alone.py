"""onepush-core alone, installed from its wheel: a gateway that says what it lacks."""

from __future__ import annotations

import json
import subprocess

import pytest

from harness.process import GatewayProcess
from tests.released.environments import clean_environment, make_environment


@pytest.fixture(scope="module")
def python(distributions, tmp_path_factory):
    """The Python of an environment with the core's wheel and what that depends on."""
    return make_environment(tmp_path_factory.mktemp("alone") / "venv", [distributions[0].wheel])


@pytest.fixture
def gateway(python, tmp_path):
    """The installed gateway, serving."""
    gateway = GatewayProcess(tmp_path, {"plugins": {}}, python=str(python), path=None)
    yield gateway.start()
    gateway.stop()


def run(python, folder, *words, **variables):
    """Run the installed command in a folder that has nothing to do with the source."""
    command = [str(python.parent / "onepush"), *words]
    return subprocess.run(
        command, cwd=folder, env=clean_environment(**variables), capture_output=True, text=True, timeout=30
    )


def test_core_is_installed_from_its_wheel(python, tmp_path):
    """Nothing of the source is importable there."""
    code = "import onepush_core; print(onepush_core.__file__)"
    done = subprocess.run(
        [python, "-c", code], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True
    )
    assert done.stdout.startswith(str(python.parent.parent)), done.stderr


def test_core_alone_tells_the_sender_what_is_missing(python, gateway, tmp_path):
    """The message is taken and waits; answer, command and status name the transports there are."""
    app = gateway.create_app()
    device = app.register("ada")
    answer = app.try_send("ada")
    missing = "no transport is loaded; not installed: onepush-ws, onepush-oppo, onepush-sms"
    assert (answer.status_code, answer.json()["warning"]) == (200, missing)
    request_id = answer.json()["requestId"]
    line = app.await_trail(request_id, device, "onepush")
    assert (line["outcome"], line["reason"]) == ("waiting", "no transport is loaded")
    who = {"ONEPUSH_URL": gateway.url, "ONEPUSH_APP_ID": app.id, "ONEPUSH_APP_KEY": app.key}
    sent = run(python, tmp_path, "send", "hello", "--to", "ada", **who)
    assert (sent.returncode, sent.stderr) == (0, f"onepush: {missing}\n")
    status = run(python, tmp_path, "status", request_id, "--json", **who)
    assert json.loads(status.stdout)["warning"] == missing


def test_core_alone_has_its_commands(python, tmp_path):
    """Those of plugins are not there; the list of plugins has the core's own."""
    listed = run(python, tmp_path, "plugins", "--json", ONEPUSH_BIND="127.0.0.1:1")
    assert [one["name"] for one in json.loads(listed.stdout)] == ["core.key", "core.audience"]
    assert run(python, tmp_path, "demo").returncode == 2
