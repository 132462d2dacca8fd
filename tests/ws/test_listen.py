"""``onepush listen``: what it prints, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.ws.conftest import ROOT

PROGRAM = "from onepush_ws.listen import listen; listen()"


class Listener:
    """The command as a process."""

    def __init__(self, server, device, *options, program=("-c", PROGRAM)):
        url = f"http://127.0.0.1:{server.port}"
        command = [sys.executable, *program, "--url", url, "--device", device, *options]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)

    def await_connection(self):
        assert self.process.stderr.readline() == "connected\n"

    def finish(self):
        """(exit code, lines of stdout, stderr)."""
        output, errors = self.process.communicate(timeout=10)
        return self.process.returncode, output.splitlines(), errors


def test_listen_prints_backlog_and_confirms(server, device):
    """With --count it ends with 0 after so many frames; with --confirm they are confirmed."""
    message = server.send(device, need_confirm=True, alert="grüße", title="T", extra=[1])
    code, lines, _ = Listener(server, device, "--count", "1", "--confirm").finish()
    assert (code, lines) == (0, [f"{message}  MSG  T: grüße  [1]  [confirm wanted]"])
    server.await_confirm(message, device)


def test_listen_ends_on_interrupt(server, device):
    """Ctrl-C: quietly, with 130."""
    listener = Listener(server, device, program=["-m", "onepush_core", "listen"])
    listener.await_connection()
    listener.process.send_signal(signal.SIGINT)
    assert listener.finish() == (130, [], "")


def test_listen_prints_json(server, device):
    """With --json each frame is a line."""
    message = server.send(device)
    code, lines, _ = Listener(server, device, "--count", "1", "--json").finish()
    assert (code, json.loads(lines[0])["id"]) == (0, message)


def test_listen_ends_at_timeout(server, device):
    """Nothing came in time: 4."""
    code, lines, errors = Listener(server, device, "--timeout", "0.5", "--count", "1").finish()
    assert (code, lines) == (4, [])
    assert "timed out" in errors


def test_listen_shows_close_code(server, device):
    """Closed by the gateway: 1, with code and reason."""
    listener = Listener(server, device)
    listener.await_connection()
    server.unregister(device)
    code, _, errors = listener.finish()
    assert code == 1
    assert "4404 device unregistered" in errors


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "ftp://127.0.0.1", "127.0.0.1:80"])
def test_listen_refuses_bad_address(server, url):
    """No gateway there: 3; no such address: 2."""
    code, _, errors = Listener(server, "x", "--url", url).finish()
    assert code == (3 if url.startswith("http") else 2)
    assert errors
