"""Connections to PostgreSQL: where to, set up how, and what went wrong in words without a password.

Made by psycopg 3. It would wait through gevent by itself, but by a ``poll`` that gevent has to imitate: a
send costs an eighth less CPU where connections wait on the hub as gevent's own sockets do.
"""

from __future__ import annotations

import select
import socket
from itertools import count
from typing import Any, TypeVar

import gevent
import gevent.monkey
import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.waiting import Ready, Wait

from onepush_core.errors import ConfigurationError
from onepush_core.store.postgres_transaction import KeyArray, KeyArrayDumper

OLDEST = 12
CONNECT_TIMEOUT = 5
"""Seconds; a server that takes the connection and then says nothing is not waited for longer."""
Connection = psycopg.Connection[Any]
T = TypeVar("T")
POLLS = {Wait.R: select.POLLIN, Wait.W: select.POLLOUT, Wait.RW: select.POLLIN | select.POLLOUT}
IN_A_ROW = 64
"""Statements of a pipeline that are sent without a look at the rest of the worker's work."""
original_poll = gevent.monkey.get_original("select", "poll")
# Not a job's fault: the server is full, going down, a standby by now, or somebody keeps a lock.
TROUBLES = (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction)
PREPARED = 500
"""Statements that a connection keeps prepared: ours, each in variants, as integers come in three sizes."""
DEFAULTS: dict[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT,
    "application_name": "onepush",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""What a URL may set otherwise. A peer that is gone without a word is noticed in about fifteen seconds."""
# A transaction of ours takes milliseconds: what is idle in one belongs to a process that was stopped or lost
# its network, and others wait for its locks. A commit is an fsync here whatever the server's default is.
# Statements of ours look rows up by their keys, page by page, as SQLite does: by indexes, in nested loops. A
# plan that reads whole tables instead is a misjudgement, for example as long as there are no statistics.
SETTINGS = (
    "SET idle_in_transaction_session_timeout = '5s'; SET statement_timeout = '15s'; SET lock_timeout = '8s';"
    " SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET jit = off;"
    " SET max_parallel_workers_per_gather = 0;"
    " SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'"
)


class HubConnection(psycopg.Connection[Any]):
    """A connection whose statements wait on gevent's hub."""

    _answered: Any = None
    """Waits for the server's words; one for all statements, as libev tells the kernel of each new one."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Run what psycopg does with the server to its end; see ``psycopg.Connection.wait``.

        Whoever is called off meanwhile (a timeout, a kill) leaves a connection that is no longer usable.
        """
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            wanted = next(gen)
            for number in count(1):
                if not number % IN_A_ROW:
                    gevent.sleep(0)
                wanted = gen.send(self._await_answer() if wanted == Wait.R else self._await_room(wanted))
        except StopIteration as end:
            result: T = end.value
        return result

    def _await_answer(self) -> Ready:
        hub = gevent.get_hub()
        if self._answered is None or self._answered.loop is not hub.loop:
            self._answered = hub.loop.io(self.pgconn.socket, Wait.R)  # psycopg and libev number events alike
        hub.wait(self._answered)
        return Ready.R

    def _await_room(self, wanted: Wait) -> Ready:
        """There nearly always is some."""
        hub, descriptor = gevent.get_hub(), self.pgconn.socket
        poll = original_poll()
        poll.register(descriptor, POLLS[wanted])
        while not (found := poll.poll(0)):
            watcher = hub.loop.io(descriptor, wanted)
            try:
                hub.wait(watcher)
            finally:
                watcher.close()
        readable, writable = found[0][1] & ~select.POLLOUT, found[0][1] & ~select.POLLIN
        return Ready((Ready.R if readable else 0) | (Ready.W if writable else 0))

    def close(self) -> None:
        """Hang up."""
        if self._answered is not None:
            self._answered.close()
            self._answered = None
        super().close()


def connection_parameters(url: str) -> dict[str, Any]:
    """What libpq takes from a URL, and our defaults. Raises ConfigurationError, without the URL in it.

    After a bare @ in a password libpq takes its rest for the host, which ends up in messages.
    """
    try:
        if url.partition("?")[0].count("@") > 1:
            raise psycopg.ProgrammingError("more than one @")
        given = conninfo_to_dict(url)
    except psycopg.Error:
        given = {"port": "none"}
    if not all(port.isdigit() for port in str(given.get("port", 0)).split(",")):
        raise ConfigurationError("store.database: not a valid URL: postgresql://user@host:port/database")
    return {**DEFAULTS, **given}


def connect(parameters: dict[str, Any]) -> Connection:
    """A connection for statements of ours, in autocommit mode. Raises psycopg.Error."""
    connection = HubConnection.connect(**_resolved(parameters), autocommit=True)
    try:
        connection.adapters.register_dumper(KeyArray, KeyArrayDumper)
        connection.execute(SETTINGS)
        connection.prepared_max = PREPARED
    except BaseException:
        connection.close()
        raise
    return connection


def _resolved(parameters: dict[str, Any]) -> dict[str, Any]:
    """With the address of a host that is a name: libpq would look it up and block the hub meanwhile."""
    host = parameters.get("host")
    if not host or "hostaddr" in parameters or "," in host or host.startswith(("/", "@")):
        return parameters
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise psycopg.OperationalError(f"cannot find the host {host!r}") from error
    return {**parameters, "hostaddr": found[0][4][0]}


def is_usable(connection: Connection) -> bool:
    """Whether the connection stands and is in no transaction."""
    return not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE


def is_lost(error: psycopg.Error) -> bool:
    """Whether the error is the end of a connection (classes 08 and 57P, or none at all), or a standby's."""
    code = error.sqlstate
    return code is None or code.startswith(("08", "57P")) or code in ("25P03", "25006")


def reason_of(error: BaseException) -> str:
    """What went wrong, in one line: no values and no password."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        return f"{error.diag.message_primary} ({error.sqlstate})"
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def check_server(connection: Connection) -> None:
    """Raises ConfigurationError for a server that is too old."""
    version = connection.info.server_version // 10_000
    if version < OLDEST:
        raise ConfigurationError(
            f"store.database: PostgreSQL {OLDEST} or newer is needed; this server is {version}"
        )
