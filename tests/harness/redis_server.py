"""RedisServer: a Redis of a test's own, on a free loopback port, that may be flushed, stopped and killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import redis

from harness.process import free_port
from harness.waiting import PATIENCE, eventually

PROGRAMS = ("redis-server", "valkey-server")


def find_program() -> str | None:
    """The server's program, None when none is installed."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class RedisServer:
    """One server. The port and the folder stay the same over restarts; ``options`` are its own flags."""

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[redis.Redis] = []

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The server's process."""
        assert self._process is not None, "not started"
        return self._process

    def start(self) -> RedisServer:
        """Start, and wait until it answers."""
        program = find_program()
        assert program is not None, "no Redis server is installed"
        command = [program, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        command += ["--save", "", *self._options]
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(self.answers)
        return self

    def answers(self) -> bool:
        """Whether it takes commands."""
        assert self.process.poll() is None, (self.folder / "redis.log").read_text()
        try:
            return bool(self.client().ping())
        except redis.RedisError:
            return False

    def client(self, **options: object) -> redis.Redis:
        """A client of our own, closed at the end."""
        made = redis.Redis(port=self.port, socket_timeout=PATIENCE, **options)  # type: ignore[arg-type]
        self._clients.append(made)
        return made

    def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def restart(self) -> None:
        """Kill -9, then start again."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections are taken by the kernel, and nothing answers."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it, if it runs."""
        for client in self._clients:
            client.close()
        if self._process is not None and self._process.poll() is None:
            self.kill()
