"""Fixtures of the tests of the bus: the shared Redis, servers of a test's own, and buses that are closed."""

from __future__ import annotations

import os
import time
import uuid
from contextlib import suppress

import gevent
import pytest
import redis

from harness.proxy import TcpProxy
from harness.redis_server import RedisServer, find_program
from harness.waiting import eventually
from onepush_core import BusUnavailable
from onepush_redis.address import read_address
from onepush_redis.keeper import stop_all
from onepush_redis.metrics import Metrics
from onepush_redis.names import Names
from onepush_redis.redis_bus import RedisBus
from onepush_redis.settings import Settings

SHARED = os.environ.get("ONEPUSH_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
BEAT = 0.2
"""Seconds between two heartbeats in these tests: faults show and pass five times sooner."""


def missing(reason):
    """Skip the test, or fail it where services are required."""
    if os.environ.get("ONEPUSH_TEST_REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_url():
    """The address of a Redis that others use too."""
    try:
        with redis.Redis.from_url(SHARED, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
    except redis.RedisError as error:
        missing(f"no Redis at ONEPUSH_TEST_REDIS_URL or 127.0.0.1:6379: {type(error).__name__}")
    return SHARED


@pytest.fixture(scope="session")
def start_server(tmp_path_factory):
    """Start servers of a test's own."""
    if find_program() is None:
        missing("neither redis-server nor valkey-server is installed")
    started = []

    def start(*options, **more):
        started.append(RedisServer(tmp_path_factory.mktemp("redis"), *options, **more))
        return started[-1].start()

    yield start
    for server in started:
        with suppress(ProcessLookupError):
            server.go_on()
        server.stop()


@pytest.fixture
def server(start_server):
    """A server that the test may flush, stop and kill."""
    one = start_server()
    yield one
    with suppress(ProcessLookupError):
        one.go_on()
    one.stop()


@pytest.fixture
def proxy(server):
    """A bad network before ``server``."""
    one = TcpProxy(server.port)
    yield one
    one.close()


class Worker:
    """A bus under a number, and what it received."""

    def __init__(self, bus, metrics):
        self.bus = bus
        self.metrics = metrics
        self.received = []
        self.number = 0

    def start(self, number):
        self.number = number
        self.bus.start(number, self.received.append)
        return self

    def count(self, name, **labels):
        """The value of a counter or gauge."""
        metric = getattr(self.metrics, name)
        return (metric.labels(**labels) if labels else metric)._value.get()

    @property
    def complete(self):
        return self.bus._standing.complete

    @property
    def settled(self):
        return self.complete and not self.bus._holdings.unwritten

    def await_settled(self):
        """Wait until everything it holds is known to all."""
        eventually(lambda: self.settled, pause=0.005)

    def vanish(self):
        """End as a killed process does: without a word."""
        stop_all(self.bus._life.keepers)
        self.bus._lookups.close()

    def await_connected(self):
        """Wait until it hears itself."""
        eventually(self.hears_itself)

    def hears_itself(self):
        try:
            self.bus.probe()
        except BusUnavailable:
            return False
        return True

    def await_holders(self, wanted, devices=None):
        """Wait until a look-up says exactly this, surely."""
        asked = list(wanted) if devices is None else devices
        eventually(lambda: self.bus.holders(asked) == wanted)


class Watch:
    """Looks up the same devices again and again; keeps the answers that were sure, and the longest wait."""

    def __init__(self, worker, devices, pause=0.01):
        self.worker, self.devices, self.pause = worker, devices, pause
        self.answers, self.unsure, self.longest = [], 0, 0.0
        self.hub_lag = 0.0
        self._greenlets = [gevent.spawn(self._look), gevent.spawn(self._tick)]

    def _look(self):
        while True:
            began = time.monotonic()
            answer = self.worker.bus.holders(self.devices)
            self.longest = max(self.longest, time.monotonic() - began)
            if answer is None:
                self.unsure += 1
            elif not self.answers or self.answers[-1] != answer:
                self.answers.append(answer)
            gevent.sleep(self.pause)

    def _tick(self):
        while True:
            began = time.monotonic()
            gevent.sleep(0.001)
            self.hub_lag = max(self.hub_lag, time.monotonic() - began)

    def stop(self):
        gevent.killall(self._greenlets)
        return self


@pytest.fixture
def watch():
    """Watch what a worker believes: ``watch(worker, devices)``."""
    started = []

    def start(*arguments):
        started.append(Watch(*arguments))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def make_worker():
    """Make workers, not started: ``make_worker(url)``. Those of one test share a prefix."""
    prefix, made, urls = f"test-{uuid.uuid4().hex}", [], set()

    def make(url, **settings):
        urls.add(url)
        table = Settings(**{"prefix": prefix, "heartbeat": BEAT, "timeout": 0.5, **settings})
        metrics = Metrics()
        made.append(Worker(RedisBus(read_address(url, table), table, time.monotonic, metrics), metrics))
        return made[-1]

    make.prefix = prefix
    yield make
    for worker in made:
        worker.bus.close()
    if SHARED in urls:
        names = Names(prefix, 0)
        with redis.Redis.from_url(SHARED) as client:
            client.delete(names.workers, names.devices, names.sweep)


@pytest.fixture
def start_worker(make_worker, shared_url):
    """Start a worker, on the shared server unless told otherwise, and wait until it is complete."""

    def start(number, url=None, **settings):
        worker = make_worker(url or shared_url, **settings).start(number)
        worker.await_settled()
        worker.await_connected()
        return worker

    return start
