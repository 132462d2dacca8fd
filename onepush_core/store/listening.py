"""Hear at once that there is mail: PostgreSQL's LISTEN, on a connection of its own."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import psycopg
import structlog

from onepush_core.store.mail import RING
from onepush_core.store.postgres_connection import connect, connection_parameters, reason_of

log = structlog.get_logger("onepush.store")
AGAIN = 1.0
"""Seconds until a lost connection is made anew; the box is looked into all the same."""
LOOK = 10.0
"""Seconds of silence after which the connection is tried."""


def listen(url: str, ring: Callable[[int], object]) -> None:
    """Call ``ring(worker)`` whenever there is mail for a worker, for ever."""
    parameters = connection_parameters(url)
    while True:
        try:
            with connect(parameters) as connection:
                _listen(connection, ring)
        except (psycopg.Error, OSError) as error:
            log.warning("not_listening", error=type(error).__name__, detail=reason_of(error))
            gevent.sleep(AGAIN)


def _listen(connection: psycopg.Connection[object], ring: Callable[[int], object]) -> None:
    connection.execute(f"LISTEN {RING}")
    while True:
        gevent.with_timeout(LOOK, _hear, connection, ring, timeout_value=None)
        connection.execute("SELECT 1")


def _hear(connection: psycopg.Connection[object], ring: Callable[[int], object]) -> None:
    """For ever: with a timeout of its own psycopg would wake up ten times a second."""
    for notice in connection.notifies():
        if notice.payload.isdecimal():  # anybody may ring
            ring(int(notice.payload))
