"""Farewell: closing very many connections without a stampede and without stopping the worker."""

from __future__ import annotations

import random
from collections.abc import Callable

import gevent

from onepush_ws import sockets
from onepush_ws.connection import Connection
from onepush_ws.hub import Hub
from onepush_ws.protocol import CloseCode

_SLICE = 128
_STEP = 0.05
"""Seconds between two groups of closes."""
_LAST_MOMENT = 0.3
"""Seconds that the last ones have to take their close frame."""


def close_all(hub: Hub, seconds: float) -> None:
    """Close every connection with 1012, in random order over ``seconds``, then cut off what is left."""
    connections = list(hub.connections.values())
    random.shuffle(connections)
    steps = max(1, round(seconds / _STEP))
    size = -(-len(connections) // steps)
    for start in range(0, len(connections), size or 1):
        for connection in connections[start : start + size]:
            hub.close(connection, CloseCode.SERVICE_RESTART, "restarting")
        gevent.sleep(seconds / steps)
    if hub.sockets:
        gevent.sleep(_LAST_MOMENT)
    for connection in list(hub.sockets.values()):
        sockets.shut_down(connection.fd)
        hub.drop(connection)


def close_some(hub: Hub, chosen: Callable[[Connection], bool], code: CloseCode, reason: str) -> None:
    """Close the connections that ``chosen`` picks, some at a time."""
    connections = [connection for connection in hub.connections.values() if chosen(connection)]
    for index, connection in enumerate(connections):
        hub.close(connection, code, reason)
        if index % _SLICE == _SLICE - 1:
            gevent.sleep(0)
