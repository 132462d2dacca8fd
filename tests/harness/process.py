"""GatewayProcess: ``onepush serve`` as operators run it, with its own folder, port and settings."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

from harness.app import AppClient
from harness.databases import POOL, database_url
from harness.needs import need_plugins
from harness.waiting import PATIENCE, eventually

ADMIN_TOKEN = "the-admin-token-of-the-tests"
PLUGINS = Path(__file__).parent / "plugins"
"""A folder with test-only plugins as pip would install them; on the path of every gateway here."""
BROUGHT = ("trouble", "trouble_first", "future")
"""The plugins in there."""
Table = dict[str, Any]
ONLY_SOCKETS: Table = {"load": ["ws"], "required": ["ws"]}


NOWHERE = "127.0.0.1:1"
"""An address at which nobody listens."""


def free_port(host: str = "127.0.0.1") -> int:
    """A loopback port on which nobody listens just now."""
    with socket.create_server((host, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def to_toml(settings: dict[str, Table]) -> str:
    """Tables of plain values as TOML, in which JSON's strings, numbers and lists mean the same."""
    lines: list[str] = []
    for table, content in settings.items():
        lines += [f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in content.items())]
    return "\n".join(lines)


class GatewayProcess:
    """One gateway. ``settings``: tables of the configuration file; only the ``ws`` plugin is loaded unless
    ``[plugins] load`` says otherwise. The port and the database (a URL) stay the same over restarts.
    ``python``: the one of the environment whose onepush is run. ``path``: a folder with more plugins.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Table] | None = None,
        host: str = "127.0.0.1",
        database: str | None = None,
        python: Path | str = sys.executable,
        path: Path | None = PLUGINS,
    ) -> None:
        tables = {"plugins": ONLY_SOCKETS, **(settings or {})}
        need_plugins(*(name for name in tables["plugins"].get("load", ()) if name not in BROUGHT))
        self.folder = folder
        self.python = str(python)
        self._path = path
        self.host = host
        self.port = free_port(host)
        self.url = f"http://{host}:{self.port}"
        self.admin = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        self.database = database or database_url(folder, "gateway.db")
        self.log = folder / "gateway.log"
        self._config = folder / "onepush.toml"
        self._config.write_text(to_toml(tables))
        self._process: subprocess.Popen[bytes] | None = None
        self._apps: list[AppClient] = []

    def spawn(self) -> GatewayProcess:
        """Start without waiting until it serves."""
        command = [self.python, "-m", "onepush_core", "serve", "--config", str(self._config)]
        command += ["--bind", f"{self.host}:{self.port}", "--database", self.database]
        command += ["--store-pool", str(POOL)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=self._environment(), cwd=self.folder
            )
        return self

    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ONEPUSH_")}
        path = os.pathsep.join(map(str, filter(None, [self._path, os.environ.get("PYTHONPATH")])))
        return {**clean, "PYTHONPATH": path, "ONEPUSH_ADMIN_TOKEN": ADMIN_TOKEN}

    def start(self) -> GatewayProcess:
        """Start, and wait until it is ready."""
        return self.spawn().await_ready()

    def await_ready(self) -> GatewayProcess:
        """Wait until a commit and a dispatch go through."""
        eventually(self.is_ready, patience=2 * PATIENCE, pause=0.05)
        return self

    def is_ready(self) -> bool:
        """True when it serves; raises AssertionError when the process has ended."""
        assert self.process.poll() is None, f"the gateway has ended:\n{self.log_text()}"
        try:
            return requests.get(f"{self.url}/health/ready", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The master process."""
        assert self._process is not None, "not started"
        return self._process

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(child) for child in children]

    def worker(self) -> int | None:
        """The process id of the worker, None while there is none."""
        return next(iter(self.workers()), None)

    def kill_worker(self) -> int:
        """Kill -9 the oldest worker; its process id. The master starts another one."""
        worker = eventually(self.worker)
        assert worker is not None
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: not is_alive(worker))
        return worker

    def kill_master(self) -> int | None:
        """Kill -9 the master, as a supervisor would find it dead; the process id of an orphaned worker."""
        worker = self.worker()
        self.process.kill()
        self.process.wait(PATIENCE)
        return worker

    def kill_all(self) -> None:
        """Kill -9 the master and all its workers, as a host that loses power."""
        workers = self.workers()
        for pid in (self.process.pid, *workers):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        eventually(lambda: not any(map(is_alive, workers)))

    def pause_worker(self) -> int:
        """SIGSTOP the oldest worker; its process id, for ``resume``."""
        worker = eventually(self.worker)
        assert worker is not None
        os.kill(worker, signal.SIGSTOP)
        return worker

    @staticmethod
    def resume(worker: int) -> None:
        """SIGCONT."""
        os.kill(worker, signal.SIGCONT)

    def terminate(self) -> float:
        """Stop with TERM; seconds until it was gone."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(2 * PATIENCE)
        return time.monotonic() - began

    def stop(self) -> None:
        """End it at once, if it still runs, and close what is connected to it."""
        self.close_apps()
        if self._process is not None and self._process.poll() is None:
            self.kill_all()

    def log_text(self) -> str:
        """Everything it has printed and logged."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def run(self, *arguments: str) -> str:
        """Run an ``onepush`` command on the gateway's database; what it printed."""
        command = [sys.executable, "-m", "onepush_core", *arguments, "--config", str(self._config)]
        command += ["--database", self.database]
        environment = self._environment()
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    def create_app(self, name: str = "test") -> AppClient:
        """Create an app with the admin call. Where the gateway has ended, its log says why."""
        assert self.process.poll() is None, f"the gateway has ended:\n{self.log_text()}"
        answer = requests.post(f"{self.url}/apps/", json={"name": name}, headers=self.admin, timeout=10)
        answer.raise_for_status()
        created = answer.json()
        app = AppClient(self.url, created["id"], created["appKey"])
        self._apps.append(app)
        return app

    def close_apps(self) -> None:
        """Close the connections of all apps."""
        while self._apps:
            self._apps.pop().close()

    def metric(self, sample: str) -> float:
        """The value of one line of /metrics, 0 when it is not there."""
        lines = requests.get(f"{self.url}/metrics", timeout=10).text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{sample} ")), 0.0)


def is_alive(pid: int) -> bool:
    """True while the process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
