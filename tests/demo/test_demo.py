"""``onepush demo``: what it prints, what it keeps, and that nothing of it stays behind."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from harness.needs import need_plugins
from harness.process import free_port, is_alive
from harness.waiting import eventually
from onepush_demo.credentials import key_file

pytestmark = pytest.mark.sqlite  # a demonstration has a file of its own
PATIENCE = 30
STEPS = 9
README = Path(__file__).parents[2] / "README.md"


class Demo:
    """One ``onepush demo`` process in one folder; its output goes to a file."""

    def __init__(self, folder, port, plugins, **variables):
        self.port = port
        self.processes = 3 if "oppo" in plugins else 2
        self.output = folder / "output"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ONEPUSH_")}
        command = [sys.executable, "-u", "-m", "onepush_core", "demo", "--bind", f"127.0.0.1:{port}"]
        environ = clean | {"ONEPUSH_PLUGINS_LOAD": plugins} | variables
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=folder, env=environ, stdout=output, stderr=output)

    def text(self):
        """What it has printed."""
        return self.output.read_text()

    def await_serving(self):
        """Wait for its last line."""
        eventually(lambda: "Ctrl-C ends it" in self.text() or self.process.poll() is not None, PATIENCE)
        assert self.process.poll() is None, self.text()

    def steps(self):
        """What it has printed of its journeys, without the times."""
        return steps_in(self.text())

    def children(self):
        """Process ids of the gateway's master and worker, and of the OPPO emulator."""
        children = _children(self.process.pid)
        return children + [grandchild for pid in children for grandchild in _children(pid)]

    def end(self, number):
        """End it with a signal, and wait for the gateway's end too."""
        children = self.children()
        assert len(children) == self.processes
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        eventually(lambda: not any(map(is_alive, children)), PATIENCE)

    def kill(self):
        """End it and its children at once, if it still runs."""
        if self.process.poll() is not None:
            return
        for pid in [self.process.pid, *self.children()]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE)


def steps_in(text):
    """The steps of journeys, without the times."""
    return re.findall(r"^ +\d+  (.*?) +[\d.]+ ms$", text, re.MULTILINE)


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def start_demo(tmp_path):
    """Start the demo in the test's folder."""
    started = []

    def start(port=None, plugins="ws", **variables):
        need_plugins(*plugins.split(","))
        started.append(Demo(tmp_path, port or free_port(), plugins, **variables))
        return started[-1]

    yield start
    for demo in started:
        demo.kill()


def test_demo_plays_journey_on_every_start(start_demo, tmp_path):
    """The first start prints the key and every step; the second keeps app and data, and prints no key."""
    first = start_demo()
    first.await_serving()
    app, key = re.search(r"appId   (\S+)\n  appKey  (\S+)", first.text()).groups()
    assert len(first.steps()) == STEPS
    assert first.steps()[-1] == "status: 2 of 2 confirmed"
    assert (tmp_path / "var" / "demo.json").stat().st_mode & 0o777 == 0o600
    first.end(signal.SIGINT)
    assert first.process.returncode == 0
    assert "Traceback" not in first.text()

    second = start_demo()
    second.await_serving()
    assert f"app show {app}" in second.text()
    assert key not in second.text()
    assert len(second.steps()) == STEPS


def test_demo_reaches_sleeping_phone_and_number(start_demo, tmp_path):
    """With OPPO and SMS installed: the phone shows the message, the SMS is a line in a file; the printed
    command sends to the phone while the demo serves; nothing stays behind.
    """
    demo = start_demo(plugins="ws,oppo,sms")
    demo.await_serving()
    steps = demo.steps()[STEPS:]
    assert demo.steps() == steps_in(README.read_text("utf-8"))
    assert "OPPO phone …cdef shows: demo | Good morning from onepush" in steps
    assert "OPPO's receipt came; status: confirmed" in steps
    assert steps[-1] == "SMS to +86 137****1111: a line in var/sms.log"
    assert "13711111111" not in demo.text()
    assert (tmp_path / "var" / "sms.log").read_text().count("\n") == 1

    command = demo.text()[demo.text().index("ONEPUSH_APP_KEY=") :].partition("\n\n")[0]
    subprocess.run(command.replace("--to me", "--to demo-oppo"), shell=True, cwd=tmp_path, check=True)
    eventually(lambda: "OPPO phone …cdef shows: demo | Hello\n" in demo.text(), PATIENCE)
    demo.end(signal.SIGTERM)


def test_demo_leaves_configured_channels_alone(start_demo, tmp_path):
    """Who has credentials of his own gets no emulator and no SMS file."""
    own = {"ONEPUSH_OPPO_APP_KEY": "own", "ONEPUSH_OPPO_MASTER_SECRET": "own", "ONEPUSH_SMS_PROVIDER": "file"}
    own["ONEPUSH_SMS_FILE"] = '{path = "own.log"}'
    demo = start_demo(plugins="ws,oppo,sms", **own)
    demo.processes = 2
    demo.await_serving()
    assert len(demo.steps()) == STEPS
    assert not (tmp_path / "var" / "sms.log").exists()


def test_demo_only_serves_without_key(start_demo, tmp_path):
    """With an app whose key is lost the demo says how to get another, and serves."""
    (tmp_path / "var").mkdir()
    create = [sys.executable, "-m", "onepush_core", "app", "create", "demo"]
    subprocess.run([*create, "--database", "sqlite:///var/onepush.db"], cwd=tmp_path, check=True)
    demo = start_demo()
    demo.await_serving()
    assert "app rotate-key" in demo.text()
    assert "appKey" not in demo.text()


@pytest.mark.parametrize("command", [["disable"], ["rotate-key", "rotate-key"]])
def test_demo_only_serves_when_key_opens_nothing(start_demo, tmp_path, command):
    """The app is disabled, or its key in the file is one before the last: how to go on, and no failure."""
    first = start_demo()
    first.await_serving()
    [app] = re.findall(r"appId   (\S+)", first.text())
    first.end(signal.SIGINT)
    for word in command:
        change = [sys.executable, "-m", "onepush_core", "app", word, app]
        subprocess.run([*change, "--database", "sqlite:///var/onepush.db"], cwd=tmp_path, check=True)
    second = start_demo()
    second.await_serving()
    assert "app enable APP_ID" in second.text()
    assert "So the demo only serves." in second.text()
    assert second.steps() == []


def test_demo_takes_gateway_along_when_killed(start_demo):
    """Kill -9 of the demo ends the gateway too."""
    demo = start_demo()
    demo.await_serving()
    demo.end(signal.SIGKILL)


def test_demo_ends_when_port_is_taken(start_demo, tmp_path):
    """A taken port: one line that says how to choose another, exit code 1, and no app made."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        demo = start_demo(listener.getsockname()[1])
        assert demo.process.wait(PATIENCE) == 1
    assert len(demo.text().splitlines()) == 1
    assert "ONEPUSH_BIND" in demo.text()
    assert not (tmp_path / "var").exists()


def test_demo_keeps_key_beside_database():
    """The key lies in the folder of the SQLite file; for another database, under var."""
    assert key_file("sqlite:///data/gateway.db") == Path("data/demo.json")
    assert key_file("postgresql://host/name") == Path("var/demo.json")
