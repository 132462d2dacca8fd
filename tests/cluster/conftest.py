"""Several gateways on one database, as on several hosts: each on a loopback address of its own."""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager

import pytest
import redis

from harness.app import AppClient
from harness.databases import empty_databases, missing_server, postgres_url
from harness.fleet import Fleet
from harness.process import GatewayProcess
from harness.waiting import eventually

REDIS = os.environ.get("ONEPUSH_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")


def missing(reason):
    """Skip the test, or fail it where services are required."""
    if os.environ.get("ONEPUSH_TEST_REQUIRE_SERVICES"):
        pytest.fail(reason)
    pytest.skip(reason)


def why_no_redis():
    """Why tests cannot have Redis here; None when they can."""
    try:
        with redis.Redis.from_url(REDIS, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
    except redis.RedisError as error:
        return f"no Redis for tests (ONEPUSH_TEST_REDIS_URL says where): {type(error).__name__}"
    return None


@pytest.fixture(scope="session")
def postgres():
    """Skip where there is no PostgreSQL; fail where there has to be one."""
    if reason := missing_server():
        missing(reason)


@pytest.fixture(scope="module")
def database(postgres, tmp_path_factory):
    """The URL of a database for the gateways of one file of tests."""
    folder = tmp_path_factory.mktemp("database")
    yield postgres_url(folder)
    empty_databases(folder)


@pytest.fixture(scope="module", params=["database", "redis"])
def bus(request):
    """Tables of settings: words travel through the database, or over Redis."""
    if request.param == "database":
        return {}
    if reason := why_no_redis():
        missing(reason)
    return {
        "plugins": {"load": ["ws", "redis"], "required": ["ws", "redis"]},
        "cluster": {"bus": REDIS},
        "redis": {"prefix": f"test-{uuid.uuid4().hex}"},
    }


@contextmanager
def starting_hosts(make_folder, url, bus):
    """Start gateways on one database, each on an address of its own; they end with the context."""
    started = []

    def start(workers=1, **settings):
        host = f"127.0.0.{len(started) + 1}"
        tables = {**bus, "server": {"workers": workers}, **settings}
        tables["cluster"] = {"lease": 3.0, **bus.get("cluster", {}), **settings.get("cluster", {})}
        one = GatewayProcess(make_folder("gateway"), tables, host=host, database=url)
        started.append(one)
        one.start()
        eventually(lambda: one.log_text().count("serving") == workers)
        return one

    yield start
    for one in started:
        one.stop()


@pytest.fixture(scope="module")
def start_host(database, bus, tmp_path_factory):
    """Start gateways on the one database: ``start_host(workers=2, delivery={…})``."""
    with starting_hosts(tmp_path_factory.mktemp, database, bus) as start:
        yield start


@pytest.fixture
def start_mortal(postgres, tmp_path_factory):
    """The same for one test that breaks them, on a database of its own; words go through the database."""
    folder = tmp_path_factory.mktemp("database")
    with starting_hosts(tmp_path_factory.mktemp, postgres_url(folder), {}) as start:
        yield start
    empty_databases(folder)


@pytest.fixture
def start_fleet():
    """Start fleets before some hosts; they end with the test."""
    fleets = []

    def start(hosts, **plan):
        fleets.append(Fleet(hosts, **plan))
        fleets[-1].await_connected()
        return fleets[-1]

    yield start
    for fleet in fleets:
        fleet.stop()


@pytest.fixture(scope="module")
def hosts(start_host):
    """Two gateways."""
    return start_host(), start_host()


@pytest.fixture
def clients(hosts):
    """A new app, as seen through each of the two gateways."""
    first, second = hosts
    app = first.create_app()
    other = AppClient(second.url, app.id, app.key)
    yield app, other
    other.close()
    first.close_apps()
