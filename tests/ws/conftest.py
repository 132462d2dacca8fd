"""Fixtures of the WebSocket tests: a server process, and what a test asks of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.ws.doubles import Bench
from tests.ws.raw import RawClient

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0


class ServerProcess:
    """A gunicorn with the plugin. A test needs no more of a gateway than these methods."""

    def __init__(self, settings):
        listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port = listener.getsockname()[1]
        os.set_inheritable(listener.fileno(), True)
        command = [sys.executable, "-m", "tests.ws.server", str(listener.fileno()), json.dumps(settings)]
        self.process = subprocess.Popen(command, cwd=ROOT, pass_fds=[listener.fileno()])
        listener.close()

    def ask(self, **order):
        body = json.dumps(order).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/fake", body)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read() or "null")

    def register(self, platform="ANDROID"):
        """The id of a new device."""
        return self.ask(do="register", platform=platform)

    def unregister(self, device):
        """Unregister a device."""
        self.ask(do="unregister", device=device)

    def send(self, *devices, **fields):
        """Send a message to devices; its id."""
        return self.ask(do="send", devices=devices, **fields)

    def await_confirm(self, message, device):
        """Wait until the gateway knows that the device confirmed the message."""
        self._await(do="is_confirmed", message=message, device=device)

    def await_online(self, device):
        """Wait until the gateway takes the device for connected."""
        self._await(do="is_online", device=device)

    def _await(self, **question):
        deadline = time.monotonic() + PATIENCE
        while not self.ask(**question):
            assert time.monotonic() < deadline, question

    def connect(self, device, **options):
        """A raw client of this device."""
        return RawClient(self.port, f"/msgpush.ws?deviceId={device}", **options)

    def stop(self):
        """Stop the server as an operator does; seconds until it was gone."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        return time.monotonic() - began


@pytest.fixture(scope="session")
def start_server():
    """Start servers with settings of ``[ws]``; they end with the session."""
    servers = []

    def start(**settings):
        servers.append(ServerProcess(settings))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="session")
def server(start_server):
    """A server with the default settings."""
    return start_server()


@pytest.fixture
def device(server):
    """The id of a new device of ``server``."""
    return server.register()


@pytest.fixture
def client(server, device):
    """A raw client, connected."""
    with server.connect(device) as connected:
        assert connected.status == 101
        yield connected


@pytest.fixture
def bench():
    """The plugin's parts, to be moved by hand."""
    made = Bench()
    yield made
    made.close()
