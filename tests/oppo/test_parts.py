"""What is shared between apps, and the emulator as a program."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

from onepush_oppo.parts import Endpoints
from onepush_oppo.settings import Credentials, Directory, read_settings
from tests.oppo.builders import FakeClock
from tests.oppo.driver import EmulatorProcess, new_registration_id

PAIR = {"app_key": "k", "master_secret": "s"}
OTHER = {"app_key": "k2", "master_secret": "s2"}


def test_apps_with_same_credentials_share_token_and_breaker():
    """Token, breaker and day belong to the credentials; another host has another breaker."""
    settings = read_settings({**PAIR, "apps": {"a1": PAIR, "a2": OTHER}})
    directory = Directory(settings)
    endpoints = Endpoints(SimpleNamespace(clock=FakeClock()), settings, directory, None)
    first, second, default = (directory.find(app).credentials for app in ("a1", "a2", "a3"))
    assert endpoints.find(first) is endpoints.find(default)
    assert endpoints.find(first) is not endpoints.find(second)
    assert endpoints.find(first, in_china=False) is not endpoints.find(first)
    endpoints.accounts[Credentials("k", "s")].close_for_today(33, "daily quota used up")
    assert endpoints.find(first, in_china=False).pause_left()[0] > 0
    assert endpoints.find(second).pause_left()[0] == 0


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


def test_emulator_names_a_bad_flag():
    """A flag that makes no sense ends the program with a line that says so."""
    command = [sys.executable, "-m", "onepush_oppo.emulator", "--code", "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert "two parts" in done.stderr
