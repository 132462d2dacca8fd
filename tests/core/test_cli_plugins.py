"""``onepush plugins`` and ``onepush migrate``: what is wrong with a plugin is shown."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from cli_process import Onepush
from harness.process import PLUGINS, GatewayProcess, free_port

pytestmark = pytest.mark.once

WANTS = "wants onepush API >=7.1,<9; this onepush has 1.0"


@pytest.fixture
def onepush(tmp_path):
    """The command, with the plugins for the tests installed."""
    return Onepush(tmp_path)


def run(onepush, *words, port=None, load="future", **variables):
    """Run a command with these plugins loaded, and a gateway on ``port`` if anywhere."""
    places = {"ONEPUSH_BIND": f"127.0.0.1:{port or free_port()}", "PYTHONPATH": str(PLUGINS)}
    return onepush.run(*words, **places, ONEPUSH_PLUGINS_LOAD=load, **variables)


def states(done):
    """The objects of ``plugins --json`` by name."""
    assert done.returncode == 0, done.stderr
    return {one["name"]: one for one in json.loads(done.stdout)}


def test_plugins_shows_what_is_set_aside(onepush):
    """Version, range and reason; nothing of it was imported."""
    future = states(run(onepush, "plugins", "--json"))["future"]
    assert future == {
        "name": "future",
        "version": "7.0",
        "api": ">=7.1,<9",
        "state": "set aside",
        "reason": WANTS,
        "detail": None,
        "running": False,
        "required": False,
        "hooks": [],
        "places": {},
    }
    table = run(onepush, "plugins").stdout
    assert any(
        line.split()[:5] == ["future", "7.0", ">=7.1,<9", "set", "aside"] for line in table.splitlines()
    )
    assert WANTS in table
    assert "This is onepush API 1.0." in table


def test_plugins_shows_a_required_plugin_that_keeps_the_gateway_from_starting(onepush):
    """Where the start stops with one line, this command shows the whole table."""
    assert run(onepush, "serve", ONEPUSH_PLUGINS_REQUIRED="future").returncode == 1
    done = run(onepush, "plugins", ONEPUSH_PLUGINS_REQUIRED="future")
    assert done.returncode == 0
    assert f"{WANTS}; it is required: the gateway does not start" in done.stdout


def test_plugins_shows_the_text_of_an_error(onepush):
    """The operator at the machine sees what the plugin said."""
    trouble = states(run(onepush, "plugins", "--json", load="trouble", ONEPUSH_TROUBLE_CREATE="raise"))[
        "trouble"
    ]
    assert (trouble["reason"], trouble["detail"]) == ("cannot be made: RuntimeError", "trouble")


@pytest.fixture
def gateway(tmp_path):
    """A gateway with a plugin that failed to start."""
    settings = {"plugins": {"load": ["trouble"]}, "trouble": {"startup": "raise"}}
    gateway = GatewayProcess(tmp_path, settings).start()
    yield gateway
    gateway.stop()


def test_plugins_asks_the_running_gateway(onepush, gateway):
    """What only a start can show is shown while the gateway runs."""
    before = states(run(onepush, "plugins", "--json", load="trouble"))["trouble"]
    assert (before["state"], before["running"]) == ("active", False)
    now = states(run(onepush, "plugins", "--json", load="trouble", port=gateway.port))["trouble"]
    assert (now["state"], now["reason"], now["running"]) == ("set aside", "startup fails: RuntimeError", True)
    table = run(onepush, "plugins", load="trouble", port=gateway.port).stdout
    assert f"States: as the gateway at 127.0.0.1:{gateway.port}." in table


@pytest.mark.parametrize("answer", [b"<p>hello</p>", b"[]", b'{"plugins": {"future": "active"}}'])
def test_plugins_is_not_misled_by_a_stranger(onepush, answer):
    """Somebody else listens there, and says nothing that a gateway would say."""

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        serving = threading.Thread(target=stranger.handle_request)
        serving.start()
        done = run(onepush, "plugins", port=stranger.server_port)
        serving.join()
    assert done.returncode == 0
    assert "since no gateway answers" in done.stdout


def test_migrate_tells_whose_tables_were_left(onepush):
    """A plugin that does not even load may have tables that want something: that is no success."""
    done = run(onepush, "migrate")
    assert done.returncode == 1
    assert done.stderr == f"onepush: plugin future is set aside: {WANTS}\n"
    assert "applied 0001_initial" in done.stdout


def test_command_of_another_version_is_not_run(onepush):
    """The commands of a distribution stand under the same range."""
    done = run(onepush, "foresee")
    assert done.returncode == 2
    assert f"command foresee of onepush-future does not load: {WANTS}" in done.stderr
    assert "imported" not in done.stderr
