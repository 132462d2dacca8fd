"""PostgresServer: a PostgreSQL of a test's own, to be killed. Proxy: a way to one that can be cut."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import gevent
import psycopg
from gevent import socket
from gevent.server import StreamServer

from harness.process import free_port
from harness.waiting import eventually

USER = "postgres"
PASSWORD = "the-password-of-the-tests"


def find_binaries() -> Path | None:
    """The folder with ``initdb`` and ``postgres``, the newest; None when there is none."""
    found = shutil.which("pg_ctl")
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return Path(found).resolve().parent if found else (places[-1] if places else None)


class PostgresServer:
    """A server on a free loopback port, with fsync, that wants a password."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._folder = Path(tempfile.mkdtemp(prefix="onepush-postgres-"))
        self.port = free_port()
        self.url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/postgres"
        (self._folder / "password").write_text(PASSWORD)
        if os.getuid() == 0:
            for path in (self._folder, self._folder / "password"):
                shutil.chown(path, USER)
        self._run(
            "initdb", "-U", USER, "--auth=scram-sha-256", f"--pwfile={self._folder}/password", "-E", "UTF8"
        )
        options = f"port={self.port}\nlisten_addresses='127.0.0.1'\nunix_socket_directories=''\n"
        with (self._folder / "data" / "postgresql.conf").open("a") as file:
            file.write(options)

    def _run(self, program: str, *words: str) -> None:
        # The server refuses to run as root.
        as_user = (
            ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.getuid() == 0 else []
        )
        command = [*as_user, str(self._binaries / program), "-D", str(self._folder / "data"), *words]
        done = subprocess.run(command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout

    def start(self) -> PostgresServer:
        """Start it, and wait until it serves."""
        self._run("pg_ctl", "start", "-W", "-l", str(self._folder / "log"))
        eventually(self._serves)
        return self

    def _serves(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; ``immediate``: as a crash does."""
        self._run("pg_ctl", "stop", "-m", mode)

    def remove(self) -> None:
        """Stop it, if it runs, and delete what is left of it."""
        if (self._folder / "data" / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self._folder)


class Proxy:
    """Passes bytes on between clients and a server, and looks at what the clients say.

    ``on_words(text)`` answers what is to become of a client's bytes: ``pass``; ``cut``: they do not arrive
    and the connection ends; ``lose``: they arrive, the answer does not, and the connection ends. While
    ``clogged`` connections are taken and nothing is passed on.
    """

    def __init__(self, port: int, on_words: Callable[[bytes], str] = lambda text: "pass") -> None:
        self.on_words = on_words
        self.clogged = False
        self._target = ("127.0.0.1", port)
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.port: int = self._server.server_port

    def _serve(self, client: socket.socket, _: object) -> None:
        with client, socket.create_connection(self._target) as server:
            back = gevent.spawn(self._pass_back, server, client)
            try:
                while data := client.recv(65_536):
                    while self.clogged:
                        gevent.sleep(0.01)
                    fate = self.on_words(data)
                    if fate == "cut":
                        return
                    if fate == "lose":
                        back.kill()
                    server.sendall(data)
                    if fate == "lose":
                        server.recv(65_536)
                        return
            except OSError:
                return
            finally:
                back.kill()

    def _pass_back(self, server: socket.socket, client: socket.socket) -> None:
        try:
            while data := server.recv(65_536):
                while self.clogged:
                    gevent.sleep(0.01)
                client.sendall(data)
        except OSError:
            return
        client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it, and all connections."""
        self._server.stop()
