"""A PostgreSQL that is killed in the middle of traffic, and starts that cannot work: a server of our own."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import gevent
import psycopg
import pytest

from cli_process import Onepush
from core_doubles import add_device, make_app
from harness.databases import REQUIRED, look_into
from harness.postgres import PASSWORD, PostgresServer, find_binaries
from harness.process import free_port
from inside_gateway import PATIENCE, send, settle
from onepush_core.errors import ConfigurationError, StoreUnavailable
from onepush_core.gateway import Gateway
from onepush_core.plugins import load_plugins
from onepush_core.settings import Settings, StoreSettings
from onepush_core.store.postgres_connection import check_server
from onepush_core.testing import RecordingSockets

pytestmark = [pytest.mark.once, pytest.mark.timeout(180)]
KILLS = 3


@pytest.fixture(scope="module")
def server():
    """A server of our own."""
    binaries = find_binaries()
    if binaries is None and not REQUIRED:
        pytest.skip("no PostgreSQL server is installed here")
    assert binaries is not None, "no PostgreSQL server is installed here"
    made = PostgresServer(binaries).start()
    yield made
    made.remove()


@pytest.fixture
def recorder():
    return RecordingSockets()


@pytest.fixture
def gateway(server, recorder):
    """A started gateway on it."""
    loaded = load_plugins({}, [])
    loaded.register(recorder, "one")
    made = Gateway(Settings(store=StoreSettings(database=server.url)), plugins=loaded)
    made.start()
    yield made
    made.stop()
    made.close()


class Traffic:
    """Sends and counts all the time. What the gateway said of them is remembered."""

    def __init__(self, gateway, app):
        self.acknowledged = []
        self.refused = 0
        self.kept = 0
        self.stopping = False
        self._gateway = gateway
        self._app = app
        self._greenlets = [gevent.spawn(self.send) for _ in range(8)] + [gevent.spawn(self.keep)]

    def send(self):
        while not self.stopping:
            try:
                self.acknowledged.append(send(self._gateway, self._app))
            except StoreUnavailable:
                self.refused += 1
            gevent.sleep(0.02)

    def keep(self):
        while not self.stopping:
            self._gateway.engine.keep(
                lambda transaction: transaction.execute("UPDATE counted SET number = number + 1")
            )
            self.kept += 1
            gevent.sleep(0.01)

    def stop(self):
        self.stopping = True
        gevent.joinall(self._greenlets, timeout=30, raise_error=True)


def test_killed_server_loses_nothing_acknowledged(server, gateway, recorder):
    """Immediate stops in the middle of traffic: what was acknowledged is there and delivered, in order, once;
    what was kept is counted exactly once; the counts add up; and the gateway goes on by itself.
    """
    app = make_app(gateway)
    add_device(gateway, app, "t")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE counted (number BIGINT NOT NULL)")
        connection.execute("INSERT INTO counted VALUES (0)")
    traffic = Traffic(gateway, app)
    for _ in range(KILLS):
        gevent.sleep(0.7)
        server.stop("immediate")
        gevent.sleep(0.3)
        server.start()
        before = len(traffic.acknowledged)
        with gevent.Timeout(PATIENCE):
            while len(traffic.acknowledged) < before + 20:
                gevent.sleep(0.02)
    traffic.stop()
    with gevent.Timeout(60):
        while look_into(server.url, "SELECT number FROM counted") != [(traffic.kept,)]:
            gevent.sleep(0.1)
    settle(gateway)
    wrong = "SELECT count(*) FROM message WHERE total <> 1 OR handed_off <> 1 OR state <> 2"
    await_nothing(server.url, wrong)
    assert traffic.refused
    stored = [row[0] for row in look_into(server.url, "SELECT id FROM message ORDER BY key")]
    assert set(traffic.acknowledged) <= set(stored)
    first = list(dict.fromkeys(message for message, _ in recorder.calls))
    assert [one for one in first if one in set(traffic.acknowledged)] == [
        one for one in stored if one in set(traffic.acknowledged)
    ]


def await_nothing(url, statement):
    """The lane may have to be taken anew, and what a lost answer left open is offered by a later round."""
    with gevent.Timeout(30):
        while look_into(url, statement) != [(0,)]:
            gevent.sleep(0.1)


def refusal(tmp_path: Path, url: str) -> str:
    """The one line with which the gateway does not start on a database; soon, and without the password."""
    began = time.monotonic()
    done = Onepush(tmp_path).run("serve", "--database", url, ONEPUSH_BIND="127.0.0.1:0")
    assert time.monotonic() - began < 8
    assert done.returncode == 1
    assert "secret-word" not in done.stderr
    assert PASSWORD not in done.stderr
    [line] = done.stderr.splitlines()
    return line


def test_start_tells_a_wrong_password(server, tmp_path):
    """Who, not with what."""
    line = refusal(tmp_path, server.url.replace(PASSWORD, "secret-word"))
    assert line == (
        "onepush: store.database: cannot open the database: connection failed: connection to server at"
        f' "127.0.0.1", port {server.port} failed: FATAL:  password authentication failed for user "postgres"'
    )


def test_start_tells_a_database_that_is_not_there(server, tmp_path):
    """By its name."""
    line = refusal(tmp_path, server.url.replace("/postgres", "/nowhere").replace("//nowhere", "//postgres"))
    assert line.endswith('FATAL:  database "nowhere" does not exist')


def test_start_tells_a_server_that_is_not_there(tmp_path):
    """By its address."""
    line = refusal(tmp_path, f"postgresql://me:secret-word@127.0.0.1:{free_port()}/db")
    assert line.endswith("Connection refused")
    assert line.startswith("onepush: store.database: cannot open the database: ")


def test_start_tells_a_host_that_is_not_there(tmp_path):
    """By its name."""
    line = refusal(tmp_path, "postgresql://me:secret-word@host.invalid/db")
    assert line == "onepush: store.database: cannot open the database: cannot find the host 'host.invalid'"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret-word@h:not-a-port/db",
        "postgres://me:secret-word@h/db?x=1",
        "postgresql://me:a@secret-word@h/db",
        "postgresql://me:a@secret-word/b@h/db",
    ],
)
def test_start_tells_a_malformed_url(tmp_path, url):
    """And quotes nothing of it, as the password may stand anywhere in it."""
    assert refusal(tmp_path, url) == (
        "onepush: store.database: not a valid URL: postgresql://user@host:port/database"
    )


def test_start_tells_a_missing_driver(server, tmp_path):
    """Without psycopg: what to install."""
    (tmp_path / "psycopg.py").write_text("raise ImportError('No module named psycopg')")
    done = Onepush(tmp_path).run("migrate", "--database", server.url, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "onepush: store.database: PostgreSQL needs psycopg (No module named psycopg):"
        " pip install 'onepush-core[postgres]'"
    ]


def test_start_refuses_an_old_server():
    """One that does not know what our statements need."""
    old = SimpleNamespace(info=SimpleNamespace(server_version=110_022))
    with pytest.raises(ConfigurationError, match="PostgreSQL 12 or newer is needed; this server is 11"):
        check_server(old)


def test_migrate_brings_a_database_up_to_date(server, tmp_path):
    """``onepush migrate`` on PostgreSQL, under both names of the scheme."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh")
    url = server.url.removesuffix("/postgres") + "/fresh"
    onepush = Onepush(tmp_path)
    applied = onepush.run("migrate", "--database", url.replace("postgresql://", "postgres://")).stdout
    assert "applied 0001_initial" in applied
    assert onepush.run("migrate", "--database", url).stdout == "nothing to do\n"


def test_app_commands_work_on_a_server(server, tmp_path):
    """An app is created, shown, disabled and given another key, as on SQLite."""
    onepush = Onepush(tmp_path)
    here = ("--database", server.url)
    created = onepush.json("app", "create", "shop", *here)
    assert onepush.json("app", "rotate-key", created["appId"], *here)["appKey"] != created["appKey"]
    assert onepush.run("app", "disable", created["appId"], *here).returncode == 0
    [shown] = [one for one in onepush.json("app", "list", *here) if one["id"] == created["appId"]]
    assert shown["enabled"] is False


def test_settings_show_no_password(server):
    """Neither printed nor in an error's text."""
    settings = Settings(store=StoreSettings(database=server.url))
    assert PASSWORD not in repr(settings) + repr(settings.store)
