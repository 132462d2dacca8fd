"""What the benchmarks share: a gateway pinned to one core with a registry of devices, and words for figures.

The load, and the benchmark itself, run on the other core.
"""

from __future__ import annotations

import os
import resource
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import requests

HERE = Path(__file__).parent
SERVER_CPU, CLIENT_CPU = 0, 1
TOKEN = "benchmark"
SERVE = [str(Path(sys.executable).parent / "onepush"), "serve"]
WITHOUT_STORE = [sys.executable, str(HERE / "without_store.py")]
REGISTER_ON_POSTGRES = (
    "INSERT INTO device(id, app, token, alias, platform, active, since, registered_at)"
    " SELECT lpad(to_hex(n), 40, '0'), app.key, 't' || n, 'user' || n, 'ANDROID', 1, 0, 0"
    " FROM generate_series(0, %s) n, app WHERE app.id = %s"
)
ROWS = 100_000
"""Devices registered in one transaction: the gateway waits for it as for any other writer."""


def pinned(cpus: int | str, *command: str) -> list[str]:
    """The command, to run on one core, or on those of a list."""
    return ["taskset", "-c", str(cpus), *command]


def prepare() -> None:
    """As many file descriptors as we may have, and off the server's core."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {CLIENT_CPU})


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Gateway:
    """A gateway process with one app, on a database of its own. ``start`` it, then ``create_app``."""

    def __init__(
        self,
        folder: Path,
        command: Sequence[str] = SERVE,
        database_url: str | None = None,
        cpus: int | str = SERVER_CPU,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = folder / "onepush.db"
        self.database_url = database_url or f"sqlite:///{self.database}"
        self.session = requests.Session()
        self.session.trust_env = False
        self.database_url = database_url or f"sqlite:///{self.database}"
        self._cpus = cpus
        self._command = [
            *command,
            "--bind",
            f"127.0.0.1:{self.port}",
            "--database",
            self.database_url,
        ]

    def start(self, patience: float = 20.0) -> None:
        """Start it and wait until it serves; after ``stop`` once more on the same database."""
        self._log = (self.folder / "log").open("a")
        self._master = subprocess.Popen(
            pinned(self._cpus, *self._command),
            env={**os.environ, "ONEPUSH_ADMIN_TOKEN": TOKEN},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + patience
        while not self._is_ready():
            if time.monotonic() > deadline or self._master.poll() is not None:
                raise SystemExit("the gateway does not start: " + (self.folder / "log").read_text())
            time.sleep(0.05)
        self.worker = self.children()[0]

    def children(self) -> list[int]:
        """The process ids of its workers."""
        master = self._master.pid
        return [int(one) for one in Path(f"/proc/{master}/task/{master}/children").read_text().split()]

    def create_app(self) -> None:
        """Create the one app."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "text/plain"}
        answer = self.session.post(self.url + "/apps/", data="bench", headers=headers).json()
        self.app_id, self.app_key = answer["id"], answer["appKey"]

    def _is_ready(self) -> bool:
        try:
            return self.session.get(self.url + "/health/ready", timeout=5).ok
        except requests.ConnectionError:
            return False

    def stop(self) -> None:
        """End it."""
        self._master.terminate()
        self._master.wait(20)
        self._log.close()

    # --- its registry and its ledger, straight from the database: that costs the gateway nothing ---

    def register(self, count: int) -> list[str]:
        """Put devices into the empty registry, device n of alias ``user<n>``, n from 0; their ids."""
        if self.database_url.startswith("sqlite"):
            self._register_in_file(count)
        else:
            with psycopg.connect(self.database_url, autocommit=True) as database:
                database.execute(REGISTER_ON_POSTGRES, (count - 1, self.app_id))
                database.execute("ANALYZE device")
        return [f"{number:040x}" for number in range(count)]

    def _register_in_file(self, count: int) -> None:
        with closing(sqlite3.connect(self.database, timeout=60)) as database:
            database.execute("PRAGMA synchronous = OFF")
            app = database.execute("SELECT key FROM app WHERE id = ?", (self.app_id,)).fetchone()[0]
            for start in range(0, count, ROWS):
                with database:
                    database.execute(
                        "WITH RECURSIVE numbers(n) AS"
                        " (SELECT ? UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?)"
                        " INSERT INTO device(id, app, token, alias, platform, active, since, registered_at)"
                        " SELECT printf('%040x', n), ?, 't' || n, 'user' || n, 'ANDROID', 1, 0, 0"
                        " FROM numbers",
                        (start, min(start + ROWS, count), app),
                    )

    def await_dispatched(self, poll: float = 0.005, patience: float = 120.0) -> None:
        """Wait until the first round of every message is done and recorded."""
        deadline = time.monotonic() + patience
        with closing(self._connect()) as database:
            while database.execute("SELECT 1 FROM message WHERE state = 0 LIMIT 1").fetchone():
                if time.monotonic() > deadline:
                    raise SystemExit("messages are not dispatched")
                time.sleep(poll)

    def _connect(self) -> Any:
        """A connection to its database; SQLite's and psycopg's do what is asked for here."""
        if self.database_url.startswith("sqlite"):
            return sqlite3.connect(self.database, timeout=60)
        return psycopg.connect(self.database_url, autocommit=True)

    # --- its API ---

    def send(self, **more: Any) -> str:
        """Send to ALL, or as ``more`` says; the request id."""
        answer = self.session.post(self.url + "/msgpush/send", json=self.draft(**more))
        if not answer.ok:
            raise SystemExit(f"a send was refused: {answer.text}")
        request_id: str = answer.json()["requestId"]
        return request_id

    def draft(self, **more: Any) -> dict[str, Any]:
        """The body of a send."""
        whole = {"platform": "ALL", "audienceType": "ALIAS", "audiences": ["ALL"], "alert": "x" * 100}
        return {"appId": self.app_id, "appKey": self.app_key, **whole, **more}

    def status(self, request_id: str) -> dict[str, Any]:
        """What the status call says."""
        answer = self.session.get(f"{self.url}/v1/messages/{request_id}", auth=(self.app_id, self.app_key))
        found: dict[str, Any] = answer.json()
        return found

    def cancel(self, request_id: str) -> None:
        """Call a message off; comes back when nothing of it is pending any more."""
        self.session.delete(f"{self.url}/v1/messages/{request_id}", auth=(self.app_id, self.app_key))
        while self.status(request_id)["counts"]["pending"]:
            time.sleep(0.05)

    # --- what it costs ---

    def cpu(self) -> float:
        """CPU seconds of the worker so far, all its threads."""
        return cpu_of(self.worker)

    def rss(self) -> int:
        """Resident bytes of the worker."""
        for line in Path(f"/proc/{self.worker}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        raise AssertionError


def cpu_of(process: int) -> float:
    """CPU seconds of a process so far, in nanosecond steps."""
    # What clock_getcpuclockid(3) makes of a process id on Linux; Python has it for threads only.
    return time.clock_gettime((~process << 3) | 2)


@contextmanager
def fresh_database(server: str | None) -> Iterator[str | None]:
    """The URL of a new database on a PostgreSQL server, dropped in the end; None: a SQLite file will do."""
    if server is None:
        yield None
        return
    name = f"onepush_bench_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def gateway(command: Sequence[str] = SERVE, server: str | None = None) -> Iterator[Gateway]:
    """A fresh gateway, ready; on a database of its own on this PostgreSQL server, or on a file."""
    prepare()
    with fresh_database(server) as url, tempfile.TemporaryDirectory() as folder:
        one = Gateway(Path(folder), command, url)
        try:
            one.start()
            one.create_app()
            yield one
        finally:
            one.stop()


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median and range."""
    return f"{median(values):,.{digits}f} [{min(values):,.{digits}f}-{max(values):,.{digits}f}]"
