"""Fixtures for all tests: real gateways, started once and shared, each test with an app of its own."""

from gevent import monkey

monkey.patch_all()

import os
import threading

import pytest

from harness.databases import ON_POSTGRES, REQUIRED, empty_databases, missing_server
from harness.process import GatewayProcess

LONG = bool(os.environ.get("ONEPUSH_TEST_LONG"))


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "once: not about the store: in the second pass only with ONEPUSH_TEST_LONG=1"
    )
    config.addinivalue_line("markers", "sqlite: about SQLite's file, so never in the second pass")
    config.addinivalue_line("markers", "store: uses a database though it has no folder")


def pytest_collection_modifyitems(config, items):
    """In the second pass, on PostgreSQL: only tests that may use a database, which all have a folder."""
    if not ON_POSTGRES:
        return
    chosen = [item for item in items if uses_database(item)]
    config.hook.pytest_deselected(items=[item for item in items if not uses_database(item)])
    items[:] = chosen
    missing = missing_server()
    if missing and REQUIRED:
        raise pytest.UsageError(missing)
    for item in items if missing else ():
        item.add_marker(pytest.mark.skip(reason=missing))


def uses_database(item):
    if item.get_closest_marker("sqlite") or (item.get_closest_marker("once") and not LONG):
        return False
    folders = {"tmp_path", "tmp_path_factory"}
    return bool(item.get_closest_marker("store") or folders & set(item.fixturenames))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item):
    """The databases of a test end with it."""
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    ended = yield
    if folder is not None:
        empty_databases(folder)
    return ended


@pytest.fixture(scope="session")
def prepare_gateway(tmp_path_factory):
    """Gateways with their own settings, not started: ``prepare_gateway(delivery={"queue_limit": 5})``."""
    prepared = []

    def prepare(**settings):
        prepared.append(GatewayProcess(tmp_path_factory.mktemp("gateway"), settings))
        return prepared[-1]

    yield prepare
    stopping = [threading.Thread(target=gateway.stop) for gateway in prepared]
    for thread in stopping:
        thread.start()
    for thread in stopping:
        thread.join()


@pytest.fixture(scope="session")
def start_gateway(prepare_gateway):
    """Start gateways with their own settings; they are stopped at the end, at the latest."""
    return lambda **settings: prepare_gateway(**settings).start()


@pytest.fixture(scope="session")
def gateway(start_gateway):
    """A gateway with the default settings, for tests that leave it as it is."""
    return start_gateway()


@pytest.fixture
def app(gateway):
    """A new app of ``gateway``."""
    yield gateway.create_app()
    gateway.close_apps()


@pytest.fixture(scope="session")
def hasty_gateway(start_gateway):
    """A gateway that sends again soon and keeps short queues."""
    return start_gateway(delivery={"resend_gaps": [0.3, 0.6], "queue_limit": 5})


@pytest.fixture
def hasty_app(hasty_gateway):
    """A new app of ``hasty_gateway``."""
    yield hasty_gateway.create_app()
    hasty_gateway.close_apps()


@pytest.fixture(scope="session")
def mortal_gateway(start_gateway):
    """A gateway whose worker tests may kill; it works in
    small pages, and its sockets let little wait for slow readers.
    """
    return start_gateway(delivery={"resend_gaps": [0.5, 1.0], "page_size": 10}, ws={"out_bytes": 65_536})


@pytest.fixture(scope="session")
def troubled_gateway(start_gateway):
    """A gateway with a third party's plugin beside the one for sockets that goes wrong on demand."""
    return start_gateway(
        plugins={"load": ["ws", "trouble", "trouble_first"], "required": ["ws", "trouble"]},
        delivery={"resend_gaps": [0.5, 1.0], "deadline": 1.0},
        trouble={"on_confirm": "raise"},
    )


@pytest.fixture
def troubled_app(troubled_gateway):
    """A new app of ``troubled_gateway``."""
    yield troubled_gateway.create_app()
    troubled_gateway.close_apps()
