"""A queue bounded in items and bytes, for one greenlet that takes what has gathered."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from gevent.event import Event

T = TypeVar("T")


class BoundedQueue(Generic[T]):
    """First in, first out. ``put`` never waits."""

    def __init__(self, items: int, size: int) -> None:
        self._room = items
        self._bytes_left = size
        self._items: deque[tuple[T, int]] = deque()
        self._filled = Event()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T, size: int) -> bool:
        """Add an item of so many bytes; False when there is no room."""
        if len(self._items) >= self._room or size > self._bytes_left:
            return False
        self._bytes_left -= size
        self._items.append((item, size))
        self._filled.set()
        return True

    def wait(self, patience: float | None = None) -> None:
        """Come back when there is something, or after so many seconds."""
        self._filled.wait(patience)

    def take(self, size: int) -> list[T]:
        """The oldest items, up to so many bytes together, at least one if there is any."""
        taken: list[T] = []
        while self._items and (not taken or self._items[0][1] <= size):
            item, bytes_ = self._items.popleft()
            taken.append(item)
            size -= bytes_
            self._bytes_left += bytes_
        if not self._items:
            self._filled.clear()
        return taken

    def wake(self) -> None:
        """Let whoever waits come back."""
        self._filled.set()

    def clear(self) -> None:
        """Forget everything."""
        self.take(1 << 62)
