"""One connection to the server, with a deadline for everything that is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import hiredis
from gevent.util import wrap_errors
from redis.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from onepush_redis.address import Address

Command = tuple[str | bytes | int, ...]
"""Each word of its own: ``("SCRIPT", "LOAD", …)``."""


class Link:
    """Not for two greenlets at a time. What goes wrong raises RedisError or OSError and closes it.

    ``timeout``: seconds for opening, and for one call. While it is open, ``run`` says which run of the server
    answers, and ``clock()`` is the server's clock in milliseconds.
    """

    def __init__(self, address: Address, timeout: float, monotonic: Callable[[], float]) -> None:
        self._address = address
        self._timeout = timeout
        self._monotonic = monotonic
        self._connection: AbstractConnection | None = None
        self._offset = 0.0
        self.run = b""

    @property
    def is_open(self) -> bool:
        """Whether it was open when it was last used."""
        return self._connection is not None

    def open(self) -> None:
        """Connect, unless it is open."""
        if self._connection is None:
            with gevent.Timeout(self._timeout, TimeoutError("no connection in time")):
                self._greet()

    def _greet(self) -> None:
        self._connection = self._address.make_connection(self._timeout)
        try:
            _connect(self._connection)
            (info,) = self._exchange([("INFO", "server")])
            before = self._monotonic()
            ((seconds, microseconds),) = self._exchange([("TIME",)])
        except BaseException:
            self.close()
            raise
        self.run = run_of(info)
        self._offset = int(seconds) + int(microseconds) / 1e6 - (before + self._monotonic()) / 2

    def clock(self, moment: float | None = None) -> int:
        """The server's clock, now or at this moment of ours, in milliseconds since the epoch."""
        return round(((self._monotonic() if moment is None else moment) + self._offset) * 1000)

    def call(self, *commands: Command) -> list[Any]:
        """Send commands in one write; their replies. Raises the first error among them."""
        try:
            with gevent.Timeout(self._timeout, TimeoutError("no reply in time")):
                return self._exchange(commands)
        except BaseException:
            self.close()
            raise

    def _exchange(self, commands: tuple[Command, ...] | list[Command]) -> list[Any]:
        self.send(*commands)
        replies = [self._reply() for _ in commands]
        for reply in replies:
            raise_error_in(reply)
        return replies

    def send(self, *commands: Command) -> None:
        """Send commands in one write."""
        connection = self._open_connection()
        # By redis-py it would take twice as long for a look-up of many devices.
        packed = b"".join([hiredis.pack_command(one) for one in commands])  # type: ignore[arg-type]
        connection.send_packed_command([packed])  # type: ignore[no-untyped-call]

    def read(self, patience: float) -> Any:
        """The next thing that the server says. Raises a RedisError after so many seconds."""
        return self._open_connection().read_response(timeout=patience)

    def _reply(self) -> Any:
        try:
            return self._open_connection().read_response()
        except ResponseError as error:
            return error

    def _open_connection(self) -> AbstractConnection:
        if self._connection is None:
            raise RedisError("not connected")
        return self._connection

    def close(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()  # type: ignore[no-untyped-call]


def _connect(connection: AbstractConnection) -> None:
    """In a greenlet of its own: redis-py does not close the socket of a connect that is interrupted.

    When its caller stops waiting it goes on, and hangs up again when it is connected.
    """
    connecting = gevent.spawn(wrap_errors((Exception,), connection.connect))
    try:
        error = connecting.get()
    except BaseException:
        connecting.link(lambda _: connection.disconnect())  # type: ignore[no-untyped-call]
        raise
    if error is not None:
        raise error


def run_of(info: bytes) -> bytes:
    """The id of the server's run in its answer to INFO: another one after a restart or a failover."""
    lines = (line.partition(b":") for line in info.splitlines())
    return next((value for name, _, value in lines if name == b"run_id"), b"")


def raise_error_in(reply: Any) -> None:
    """Raise an error that a reply is, or that the reply to a transaction holds."""
    for part in [reply, *(reply if isinstance(reply, list) else ())]:
        if isinstance(part, RedisError):
            raise part
