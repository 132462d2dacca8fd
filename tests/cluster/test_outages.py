"""The database or the bus is killed, or hangs, under two hosts: a delay, never a message."""

from __future__ import annotations

import itertools
import os
import signal
import time
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import pytest
import requests

from harness.app import AppClient
from harness.auditor import audit
from harness.databases import empty_databases, postgres_url
from harness.postgres import PostgresServer, find_binaries
from harness.proxy import TcpProxy
from harness.redis_server import RedisServer, find_program
from harness.waiting import eventually
from tests.cluster.conftest import missing, starting_hosts

LONG = bool(os.environ.get("ONEPUSH_TEST_LONG"))
CYCLES = 10 if LONG else 2
STREAM = 1.0
"""Seconds for which the stream flows between two outages."""
OUTAGE = 0.5
HEALING = 8.0
"""Seconds after an outage in which its messages may still come again."""
SOON = 10.0
"""Seconds within which health tells the truth."""
HEARTBEATS = 4.0
"""Seconds until all workers say over the bus that they have told it of all their devices."""
pytestmark = pytest.mark.timeout(400 if LONG else 120)


@pytest.fixture
def own_postgres():
    """A PostgreSQL of the test's own, to be stopped as a crash does."""
    binaries = find_binaries()
    if binaries is None:
        missing("no PostgreSQL server is installed here")
    server = PostgresServer(binaries).start()
    yield server
    server.remove()


@pytest.fixture
def own_redis(tmp_path):
    """A Redis of the test's own, to be killed."""
    if find_program() is None:
        missing("no Redis server is installed here")
    server = RedisServer(tmp_path).start()
    yield server
    server.stop()


@pytest.fixture
def start_on(tmp_path_factory):
    """Start gateways on this database and, unless None, this Redis: ``start_on(url, bus)()``."""
    with ExitStack() as stack:

        def on(url, bus=None):
            over_redis = {
                "plugins": {"load": ["ws", "redis"], "required": ["ws", "redis"]},
                "cluster": {"bus": bus},
            }
            return stack.enter_context(
                starting_hosts(tmp_path_factory.mktemp, url, over_redis if bus else {})
            )

        yield on


@pytest.fixture
def database(postgres, tmp_path):
    """A database of the test's own on the server of this machine."""
    yield postgres_url(tmp_path)
    empty_databases(tmp_path)


@pytest.fixture
def proxies():
    """A proxy before a port of this machine; all end with the test."""
    with ExitStack() as stack:

        def before(port):
            return stack.enter_context(closing(TcpProxy(port)))

        yield before


def through(url, proxy):
    """The same URL, by way of the proxy."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{proxy.port}")).geturl()


def readiness(host):
    """The status of the ready call."""
    return requests.get(f"{host.url}/health/ready", timeout=SOON).status_code


def break_off(proxy):
    proxy.refuse = True
    proxy.cut()


def wedge(proxy):
    proxy.pass_on.clear()


def heal(proxy):
    proxy.refuse = False
    proxy.pass_on.set()


@pytest.mark.parametrize("trouble", [break_off, wedge])
@pytest.mark.parametrize("service", ["database", "bus"])
def test_ready_tells_the_truth_within_ten_seconds(
    start_on, own_postgres, own_redis, proxies, service, trouble
):
    """False when the service is gone or hangs, and true again when it is back, without a restart."""
    way = {"database": proxies(own_postgres.port), "bus": proxies(own_redis.port)}
    host = start_on(through(own_postgres.url, way["database"]), through(own_redis.url, way["bus"]))(workers=2)
    workers = host.workers()
    assert readiness(host) == 200
    trouble(way[service])
    eventually(lambda: readiness(host) == 503, patience=SOON)
    assert requests.get(f"{host.url}/health/live", timeout=2).status_code == 200
    heal(way[service])
    eventually(lambda: [readiness(host) for _ in range(4)] == [200] * 4, patience=SOON)
    assert host.workers() == workers


def has_tried(host):
    """Whether a third worker has started, or has found that it cannot."""
    log = host.log_text()
    return "worker_did_not_start" in log or log.count("serving") == 3


@pytest.mark.parametrize("trouble", [break_off, wedge])
@pytest.mark.parametrize("service", ["database", "bus"])
def test_worker_that_dies_in_an_outage_is_replaced_after_it(
    start_on, own_postgres, own_redis, proxies, service, trouble
):
    """The master goes on trying, and the other worker goes on serving meanwhile."""
    way = {"database": proxies(own_postgres.port), "bus": proxies(own_redis.port)}
    host = start_on(through(own_postgres.url, way["database"]), through(own_redis.url, way["bus"]))(workers=2)
    other = host.workers()[1]
    trouble(way[service])
    host.kill_worker()
    eventually(lambda: has_tried(host), patience=SOON)
    assert requests.get(f"{host.url}/health/live", timeout=2).status_code == 200
    heal(way[service])
    eventually(lambda: host.log_text().count("serving") == 3, patience=SOON)
    eventually(lambda: [readiness(host) for _ in range(4)] == [200] * 4, patience=SOON)
    assert other in host.workers()
    assert host.process.poll() is None


def stream_through(hosts, start_fleet, break_it):
    """A stream over both hosts, in the middle of which something is broken again and again; what was seen."""
    fleet = start_fleet(hosts, groups=40, insist=0.5)
    fleet.send(100)
    fleet.move(4.0)
    for _ in range(CYCLES):
        time.sleep(STREAM)
        with fleet.fault(heals_in=HEALING):
            break_it()
            for host in hosts:
                host.await_ready()
    time.sleep(HEALING)
    seen = fleet.finish(patience=60)
    print(seen.summary())
    assert sum(1 for send in seen.history.sends if send.request_id) > 40 * CYCLES
    return seen


def test_stopped_database_loses_nothing_acknowledged(start_on, own_postgres, start_fleet):
    """Immediate stops of PostgreSQL: all that was acknowledged arrives, in order, and adds up."""
    start = start_on(own_postgres.url)

    def crash():
        own_postgres.stop("immediate")
        time.sleep(OUTAGE)
        own_postgres.start()

    seen = stream_through([start(workers=2), start()], start_fleet, crash)
    assert audit(seen.history) == []


def test_killed_bus_loses_nothing(start_on, database, own_redis, start_fleet):
    """Kills of Redis, which comes back empty: nothing is lost, no send is refused, the order is kept."""
    start = start_on(database, own_redis.url)

    def crash():
        own_redis.kill()
        time.sleep(OUTAGE)
        own_redis.start()

    seen = stream_through([start(workers=2), start()], start_fleet, crash)
    assert set(seen.outcome_counts()) == {200}
    assert audit(seen.history) == []


@pytest.mark.parametrize("bus", ["through the database", "over Redis"])
def test_paused_workers_do_no_harm(start_on, database, own_redis, start_fleet, bus):
    """Workers stopped for longer than their lease wake up to find that others work in their place."""
    start = start_on(database, own_redis.url if bus == "over Redis" else None)
    first, second = start(workers=2), start(workers=2)
    victims = itertools.cycle([first, second])

    def pause():
        worker = next(victims).workers()[0]
        os.kill(worker, signal.SIGSTOP)
        time.sleep(5.0)
        os.kill(worker, signal.SIGCONT)

    seen = stream_through([first, second], start_fleet, pause)
    assert audit(seen.history) == []


def test_device_that_has_moved_is_closed_at_once(start_on, database, own_redis, proxies):
    """Though its new worker is cut off from the bus; from then on all goes to the new socket."""
    way = proxies(own_redis.port)
    here = start_on(database, own_redis.url)()
    there = start_on(database, through(own_redis.url, way))()
    client = here.create_app()
    other = AppClient(there.url, client.id, client.key)
    device = client.register("ann")
    old = client.connect(device)
    eventually(lambda: [readiness(host) for host in (here, there)] == [200, 200])
    time.sleep(HEARTBEATS)
    wedge(way)
    with other.connect(device) as new:
        began = time.monotonic()
        assert drained(old) == []
        assert time.monotonic() - began < 1.0
        message = client.send("ann")
        assert new.frame()["id"] == message
        client.await_counts(message, handedOff=1)
    other.close()


def drained(connection):
    """What came on a connection before it was closed."""
    assert connection.close_code() == 4408
    return connection.kept()
