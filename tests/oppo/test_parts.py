"""What is shared between apps, and the emulator as a program."""

from __future__ import annotations

import socket
import subprocess
import sys
from types import SimpleNamespace

import gevent
import pytest
from gevent.event import Event

from onepush_core import OnepushError
from onepush_core.testing import ManualClock
from onepush_oppo.parts import Endpoints
from onepush_oppo.plugin import repeat
from onepush_oppo.settings import Credentials, Directory, read_settings
from tests.oppo.driver import EmulatorProcess, new_registration_id

PAIR = {"app_key": "k", "master_secret": "s"}
OTHER = {"app_key": "k2", "master_secret": "s2"}


def test_apps_with_same_credentials_share_token_and_breaker():
    """Token, breaker and day belong to the credentials; another host has another breaker."""
    settings = read_settings({**PAIR, "apps": {"a1": PAIR, "a2": OTHER}})
    directory = Directory(settings)
    endpoints = Endpoints(SimpleNamespace(clock=ManualClock()), settings, directory, None)
    first, second, default = (directory.find(app).credentials for app in ("a1", "a2", "a3"))
    assert endpoints.find(first) is endpoints.find(default)
    assert endpoints.find(first) is not endpoints.find(second)
    assert endpoints.find(first, in_china=False) is not endpoints.find(first)
    endpoints.accounts[Credentials("k", "s")].close_for_today(33, "daily quota used up")
    assert endpoints.find(first, in_china=False).pause_left()[0] > 0
    assert endpoints.find(second).pause_left()[0] == 0


def test_failure_of_background_work_costs_one_turn():
    """Work that fails once, as when the store is away, is done again the next time."""
    turns, again = [], Event()

    def work():
        turns.append(None)
        if len(turns) == 1:
            raise OnepushError("the store is away")
        again.set()

    worker = gevent.spawn(repeat, gevent.sleep, 0.001, work)
    assert again.wait(10)
    worker.kill()


def test_emulator_takes_troubles_and_codes_from_its_command_line():
    """The flags of the program arrive where the control calls would put them."""
    target = new_registration_id()
    process = EmulatorProcess("--trouble", "503:2", "--code", f"{target}=10000", "--latency", "0.5")
    try:
        assert process.tell("options", {})["latency"] == 0.5
        assert process.tell("codes", {}) == 1
        assert process.session.post(f"{process.url}/server/v1/auth", timeout=10).status_code == 503
    finally:
        process.stop()


@pytest.mark.parametrize(
    ("flag", "value", "complaint"),
    [
        ("--code", "nonsense", "two parts"),
        ("--code", "target=x", "not a number: x"),
        ("--trouble", "hangs", "no such kind of trouble: hangs"),
        ("--trouble", "hang:x", "not a number: x"),
        ("--port", "70000", "not in the range"),
    ],
)
def test_emulator_names_a_bad_flag(flag, value, complaint):
    """A flag that makes no sense ends the program with a line that says so."""
    done = run_emulator(flag, value)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_emulator_names_a_port_in_use():
    """Where somebody else listens, one line says so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = run_emulator("--port", str(listener.getsockname()[1]))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot listen on 127.0.0.1:")


def run_emulator(*flags):
    """The emulator with flags that let it end at once."""
    command = [sys.executable, "-m", "onepush_oppo.emulator", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
