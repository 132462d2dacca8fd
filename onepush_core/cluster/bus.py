"""The bus: a faster way for hints than the database. Plugins bring one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol


class Bus(Protocol):
    """Fast hints between the workers of one installation. May lose, delay and repeat them.

    The database is the truth. For greenlets of one thread. A plugin offers one with ``bus_schemes`` (of
    URLs) and ``open_bus(url, monotonic)``.
    """

    def start(self, worker: int, receive: Callable[[bytes], object]) -> None:
        """Become this worker, again with a new number when it lost its session; numbers are never reused.

        ``receive`` is called for each payload in the order of arrival, in a greenlet, never two at a time.
        Neither raises nor waits when the server is not there: it keeps trying.
        """

    def publish(self, worker: int, payload: bytes) -> bool:
        """Hand a payload to another worker. Never waits. False: surely not sent; True says nothing."""

    def probe(self) -> None:
        """A round trip through the server and back. Raises BusUnavailable within two seconds."""

    def close(self) -> None:
        """Leave, and let go of the server. Takes at most about a second."""

    def hold(self, device: int, connection: int, written: Callable[[], object] | None = None) -> None:
        """This worker holds the device's socket from now on; ``connection`` rises with each of its sockets.

        Does not wait. ``written`` is called once, when all others can know: from then on what they store
        for the device reaches it, what they stored before must be read from the database. It must not wait.
        Of two workers that hold a device, the one that was told later counts.
        """

    def let_go(self, device: int, connection: int) -> None:
        """Not any more, unless a newer connection of this worker holds it. Does not wait."""

    def holders(self, devices: Sequence[int]) -> dict[int, int] | None:
        """Which worker holds which of these devices (some thousand at most); those missing nobody holds.

        None: not known for sure, after a quarter of a second at most.
        """

    def expect(self, workers: Iterable[int]) -> None:
        """The workers that live, by the database. To be told whenever that was looked up. Does not wait.

        ``holders`` is sure only when each of them has all its devices in the bus; others that have been
        silent for seconds do not count.
        """

    def forget(self, worker: int) -> None:
        """This worker is dead or has left: what it held nobody holds. Does not wait."""
