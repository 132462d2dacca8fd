"""Calls that read much take turns, so that the store's other readers stay free for messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gevent.lock import BoundedSemaphore

from onepush_core import Overloaded

PATIENCE = 10.0


class Turns:
    """Lets in one call at a time; who would wait longer than ``patience`` seconds is refused."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._free = BoundedSemaphore()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for a turn and hold it. Raises Overloaded."""
        if not self._free.acquire(timeout=self._patience):
            raise Overloaded
        try:
            yield
        finally:
            self._free.release()
