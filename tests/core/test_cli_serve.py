"""``onepush serve``: bad starts end soon with one line and no secret, good ones end soon when told to."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from cli_process import Onepush
from harness.process import GatewayProcess, is_alive
from harness.waiting import eventually

pytestmark = pytest.mark.once

SECRET = "s3cret-value"
NO_PLUGINS = {"plugins": {"load": []}}
SOON = 5.0


@pytest.fixture
def onepush(tmp_path):
    """The command, in an empty folder."""
    return Onepush(tmp_path)


@pytest.fixture
def taken_port():
    """A port on which somebody listens, takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def refusal(onepush, *words, **variables):
    """Start with these words and variables; the one line it ends with, in time and without the secret."""
    began = time.monotonic()
    done = onepush.run("serve", *words, **({"ONEPUSH_BIND": "127.0.0.1:0"} | variables))
    assert time.monotonic() - began < SOON
    assert done.returncode == 1
    assert SECRET not in done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_serve_refuses_taken_port(onepush, taken_port):
    """Somebody listens on the port already."""
    line = refusal(onepush, ONEPUSH_BIND=f"127.0.0.1:{taken_port}")
    assert line == f"onepush: server.bind: cannot listen on 127.0.0.1:{taken_port}: Address already in use"


def test_serve_refuses_bad_address(onepush):
    """An address that is not this machine's."""
    assert refusal(onepush, "--bind", "192.0.2.1:80").startswith("onepush: server.bind: cannot listen on")


def test_serve_refuses_unreadable_database(onepush):
    """A file that is no database."""
    (onepush.folder / "broken.db").write_text("this is no database " * 100)
    line = refusal(onepush, "--database", "sqlite:///broken.db")
    assert line.startswith("onepush: store.database:")


def test_serve_refuses_database_it_does_not_know(onepush):
    """A URL of another kind is refused without its password."""
    line = refusal(onepush, "--database", f"oracle://scott:{SECRET}@host/db")
    assert line.startswith("onepush: store.database:")


@pytest.mark.parametrize("hosts", [1, 2])
def test_serve_refuses_silent_database_server(onepush, taken_port, hosts):
    """A port that takes the connection and then says nothing, or two of them, are named."""
    servers = ",".join([f"127.0.0.1:{taken_port}"] * hosts)
    line = refusal(onepush, "--database", f"postgresql://scott:{SECRET}@{servers}/db")
    assert line == f"onepush: store.database: cannot open the database: no answer from {servers}"


def test_serve_refuses_unknown_plugin(onepush):
    """A plugin that is not installed is named."""
    assert "nosuch" in refusal(onepush, ONEPUSH_PLUGINS_LOAD="nosuch")


def test_serve_refuses_bad_value(onepush):
    """A value of the wrong type, by the name of its variable."""
    assert refusal(onepush, ONEPUSH_STORE_MAX_WAITING=SECRET) == (
        "onepush: ONEPUSH_STORE_MAX_WAITING: expected int, got str"
    )


def test_serve_refuses_unknown_key(onepush):
    """A key that does not exist, by file and key."""
    (onepush.folder / "onepush.toml").write_text(f'[server]\nadmin_tokn = "{SECRET}"\n')
    line = refusal(onepush, "--config", "onepush.toml")
    assert line == "onepush: onepush.toml: server.admin_tokn: there is no such setting"


def test_serve_warns_of_stray_variable(onepush):
    """A variable that sets nothing is named in the log, its value is not; it does not stop the start."""
    done = onepush.run("serve", "--bind", "192.0.2.1:80", ONEPUSH_SEVER_BIND=SECRET)
    told = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [(one["event"], one["variable"]) for one in told] == [
        ("variable_sets_nothing", "ONEPUSH_SEVER_BIND")
    ]
    assert SECRET not in done.stderr


def test_serve_refuses_two_workers_on_sqlite(onepush):
    """SQLite serves one worker; the line says why."""
    assert "SQLite serves one worker" in refusal(onepush, "--workers", "2")


@pytest.mark.sqlite
def test_serve_refuses_database_in_use(tmp_path):
    """What only the worker finds stops the master too, with one line."""
    first = GatewayProcess(tmp_path, NO_PLUGINS).start()
    try:
        line = refusal(Onepush(tmp_path), "--database", first.database)
    finally:
        first.stop()
    assert line == "onepush: store.database: another gateway is using this database"


def test_serve_stops_soon_with_idle_connection(tmp_path):
    """TERM ends master and worker within five seconds though a client keeps a connection open: no error."""
    gateway = GatewayProcess(tmp_path, NO_PLUGINS).start()
    worker = gateway.worker()
    with socket.create_connection(("127.0.0.1", gateway.port)) as idle:
        idle.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(15) == b"HTTP/1.1 200 OK"
        assert gateway.terminate() < SOON
    assert gateway.process.returncode == 0
    assert not is_alive(worker)
    assert "error" not in gateway.log_text()


def test_serve_takes_port_over_from_orphaned_worker(tmp_path):
    """After kill -9 of the master a new start gets the port and the database."""
    gateway = GatewayProcess(tmp_path, NO_PLUGINS).start()
    orphan = gateway.kill_master()
    gateway.spawn()
    eventually(lambda: not is_alive(orphan))
    gateway.await_ready()
    gateway.stop()


def test_serve_keeps_query_strings_out_of_log(tmp_path):
    """A request line that gunicorn cannot read is logged without what follows the question mark."""
    gateway = GatewayProcess(tmp_path, NO_PLUGINS).start()
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(f"G E T /msgpush.ws?deviceId={SECRET} HTTP/1.1\r\n\r\n".encode())
        assert client.recv(12) == b"HTTP/1.1 400"
    eventually(lambda: "Invalid request" in gateway.log_text())
    gateway.stop()
    assert SECRET not in gateway.log_text()
    assert all(json.loads(line)["event"] for line in gateway.log_text().splitlines())


def test_serve_ends_on_interrupt(tmp_path):
    """Ctrl-C ends it as TERM does."""
    gateway = GatewayProcess(tmp_path, NO_PLUGINS).start()
    os.kill(gateway.process.pid, signal.SIGINT)
    assert gateway.process.wait(SOON) == 0


def test_command_patches_before_it_imports_the_core():
    """Gevent patches first: peewee, imported later, keeps its connections by greenlet and not by thread."""
    code = (
        "import onepush_core.__main__, peewee, gevent.local;"
        "print(issubclass(peewee._ConnectionLocal, gevent.local.local))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
