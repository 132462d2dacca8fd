"""Poller: one epoll for all sockets, watched by one watcher of gevent's loop.

A watcher per socket would be called one by one and cost memory; here one callback reads a whole
batch of ready sockets.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any

import gevent
from gevent.monkey import get_original

READABLE: int = select.POLLIN
WRITABLE: int = select.POLLOUT
_READ_EVENT = 1
_BATCH = 512


class Poller:
    """Tells of ready sockets, once started in the process that serves them."""

    def __init__(self) -> None:
        # gevent takes epoll out of ``select`` when it patches.
        self._epoll = get_original("select", "epoll")()
        self._watcher: Any = None
        self._on_ready: Callable[[int, int], None] = lambda _fd, _events: None

    def start(self, on_ready: Callable[[int, int], None]) -> None:
        """Call ``on_ready(fd, events)`` in the hub for each ready socket; it must not wait or raise."""
        self._on_ready = on_ready
        self._watcher = gevent.get_hub().loop.io(self._epoll.fileno(), _READ_EVENT)
        self._watcher.start(self._poll)

    def _poll(self) -> None:
        for fd, events in self._epoll.poll(0, _BATCH):
            self._on_ready(fd, events)

    def add(self, fd: int) -> None:
        """Watch a socket for input."""
        self._epoll.register(fd, READABLE)

    def want_write(self, fd: int, wanted: bool) -> None:
        """Watch a socket for room to write, too, or no longer."""
        self._epoll.modify(fd, READABLE | WRITABLE if wanted else READABLE)

    def remove(self, fd: int) -> None:
        """Stop watching; to be called before the socket is closed."""
        self._epoll.unregister(fd)

    def close(self) -> None:
        """Let go of the epoll."""
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
        self._epoll.close()
