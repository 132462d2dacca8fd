"""Gateways on PostgreSQL and Redis; where those are, the variables of the tests say."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis
from common import SERVE, Gateway, cpu_of, prepare

SERVER = os.environ.get("ONEPUSH_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
BUS = os.environ.get("ONEPUSH_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
NAME = "onepush_bench"
ALL_CPUS = ",".join(map(str, sorted(os.sched_getaffinity(0))))
QUIET = ("--set", "ws.ping_interval=3000", "--set", "ws.ping_timeout=2900")
"""Hardly a ping in the time of a benchmark, and nobody who sleeps through one is hung up on."""


def find_obstacle() -> str | None:
    """What keeps these benchmarks from running here."""
    try:
        psycopg.connect(SERVER, connect_timeout=3).close()
        redis.Redis.from_url(BUS, socket_connect_timeout=3).ping()
    except (psycopg.Error, redis.RedisError) as error:
        return f"these benchmarks need PostgreSQL and Redis: {str(error).splitlines()[0]}"
    return None


class SharedGateway(Gateway):
    """A gateway of some workers on a PostgreSQL database, all of them free to run on every core."""

    def __init__(self, folder: Path, workers: int, bus: bool, name: str) -> None:
        url = urlsplit(SERVER)._replace(path=f"/{name}").geturl()
        over_redis = ("--bus", BUS, "--set", f"redis.prefix={name}-{os.getpid()}") if bus else ()
        super().__init__(folder, [*SERVE, "--workers", str(workers), *QUIET, *over_redis], url, ALL_CPUS)
        self._workers = workers

    def start(self, patience: float = 20.0) -> None:
        """Start it and wait until every worker serves."""
        super().start(patience)
        while self.rows("SELECT count(*) FROM worker")[0][0] < self._workers:
            time.sleep(0.05)
        self.workers = self.children()

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the database answers; nothing for what is no query."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def register(self, count: int) -> list[str]:
        """Put devices into the empty registry, device n of alias ``user<n>``; their ids."""
        self.rows(
            "INSERT INTO device(id, app, token, alias, platform, active, since, registered_at)"
            " SELECT lpad(to_hex(n), 40, '0'), app.key, 't' || n, 'user' || n, 'ANDROID', 1, 0, 0"
            " FROM generate_series(0, %s - 1) AS n, app WHERE app.id = %s",
            count,
            self.app_id,
        )
        self.rows("ANALYZE device")
        return [f"{number:040x}" for number in range(count)]

    def await_dispatched(self, poll: float = 0.005, patience: float = 120.0) -> None:
        """Wait until the first round of every message is done and recorded."""
        deadline = time.monotonic() + patience
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            while connection.execute("SELECT 1 FROM message WHERE state = 0 LIMIT 1").fetchone():
                if time.monotonic() > deadline:
                    raise SystemExit("messages are not dispatched")
                time.sleep(poll)

    def held_by(self) -> dict[int, list[int]]:
        """For each worker's process, the devices (their numbers, from 0) whose sockets it holds."""
        rows = self.rows(
            "SELECT w.pid, d.id FROM presence p JOIN worker w ON w.key = p.worker"
            " JOIN device d ON d.key = p.device ORDER BY d.key"
        )
        found: dict[int, list[int]] = {}
        for process, device in rows:
            found.setdefault(process, []).append(int(device, 16))
        return found

    def cpu(self) -> float:
        """CPU seconds of all workers so far."""
        return sum(cpu_of(worker) for worker in self.workers)


def cpu_of_all(name: str) -> float:
    """CPU seconds so far of all processes of this name: the database's and Redis' share."""
    total = 0.0
    for entry in Path("/proc").glob("[0-9]*/comm"):
        try:
            if entry.read_text().strip() == name:
                total += cpu_of(int(entry.parent.name))
        except (FileNotFoundError, ProcessLookupError, OSError):
            continue
    return total


@contextmanager
def shared_gateway(workers: int, bus: bool = True, name: str = NAME) -> Iterator[SharedGateway]:
    """A fresh one, ready, in a fresh database."""
    prepare()
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {name}")
    with tempfile.TemporaryDirectory() as folder:
        one = SharedGateway(Path(folder), workers, bus, name)
        try:
            one.start()
            one.create_app()
            yield one
        finally:
            one.stop()
            with psycopg.connect(SERVER, autocommit=True) as server:
                server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
