"""``onepush demo``: what it prints, what it keeps, and that nothing of it stays behind."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness.process import free_port, is_alive
from harness.waiting import eventually
from onepush_demo.credentials import key_file

PATIENCE = 30
STEPS = 9


class Demo:
    """One ``onepush demo`` process in one folder; its output goes to a file."""

    def __init__(self, folder, port):
        self.port = port
        self.output = folder / "output"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ONEPUSH_")}
        command = [sys.executable, "-u", "-m", "onepush_core", "demo", "--bind", f"127.0.0.1:{port}"]
        variables = clean | {"ONEPUSH_PLUGINS_LOAD": "ws"}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=folder, env=variables, stdout=output, stderr=output)

    def text(self):
        """What it has printed."""
        return self.output.read_text()

    def await_serving(self):
        """Wait for its last line."""
        eventually(lambda: "Ctrl-C ends it" in self.text() or self.process.poll() is not None, PATIENCE)
        assert self.process.poll() is None, self.text()

    def children(self):
        """Process ids of the gateway's master and worker."""
        master = _children(self.process.pid)
        return master + [worker for pid in master for worker in _children(pid)]

    def end(self, number):
        """End it with a signal, and wait for the gateway's end too."""
        children = self.children()
        assert len(children) == 2
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        eventually(lambda: not any(map(is_alive, children)), PATIENCE)


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def start_demo(tmp_path):
    """Start the demo in the test's folder."""
    started = []

    def start(port=None):
        started.append(Demo(tmp_path, port or free_port()))
        return started[-1]

    yield start
    for demo in started:
        if demo.process.poll() is None:
            demo.end(signal.SIGTERM)


def test_demo_plays_journey_on_every_start(start_demo, tmp_path):
    """The first start prints the key and every step; the second keeps app and data, and prints no key."""
    first = start_demo()
    first.await_serving()
    app, key = re.search(r"appId   (\S+)\n  appKey  (\S+)", first.text()).groups()
    assert len(re.findall(r"^  \d  .* ms$", first.text(), re.MULTILINE)) == STEPS
    assert "2 of 2 confirmed" in first.text()
    assert (tmp_path / "var" / "demo.json").stat().st_mode & 0o777 == 0o600
    first.end(signal.SIGINT)
    assert first.process.returncode == 0
    assert "Traceback" not in first.text()

    second = start_demo()
    second.await_serving()
    assert f"app show {app}" in second.text()
    assert key not in second.text()
    assert len(re.findall(r"^  \d  .* ms$", second.text(), re.MULTILINE)) == STEPS


def test_demo_only_serves_without_key(start_demo, tmp_path):
    """With an app whose key is lost the demo says how to get another, and serves."""
    first = start_demo()
    first.await_serving()
    first.end(signal.SIGTERM)
    (tmp_path / "var" / "demo.json").unlink()
    second = start_demo()
    second.await_serving()
    assert "app rotate-key" in second.text()
    assert "appKey" not in second.text()


def test_demo_takes_gateway_along_when_killed(start_demo):
    """Kill -9 of the demo ends the gateway too."""
    demo = start_demo()
    demo.await_serving()
    demo.end(signal.SIGKILL)


def test_demo_ends_when_port_is_taken(start_demo):
    """A taken port: the gateway's own line, exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        demo = start_demo(listener.getsockname()[1])
        assert demo.process.wait(PATIENCE) == 1
    assert "cannot listen on" in demo.text()


def test_demo_keeps_key_beside_database():
    """The key lies in the folder of the SQLite file; for another database, under var."""
    assert key_file("sqlite:///data/gateway.db") == Path("data/demo.json")
    assert key_file("postgresql://host/name") == Path("var/demo.json")
