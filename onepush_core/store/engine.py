"""What the rest of the core needs of a database: an engine runs jobs, functions of a Transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from onepush_core.store.transaction import Transaction
from onepush_core.store.writer import TRIES, Job, Settle

T = TypeVar("T")


class Engine(Protocol):
    """Runs jobs against one database. Construct and use it on the hub.

    ``shared``: other processes write to the same database.
    """

    shared: bool

    def read(self, job: Callable[[Transaction], T]) -> T:
        """Run a job that only reads; waits. Raises StoreUnavailable."""

    def write(
        self,
        job: Callable[[Transaction], T],
        then: Callable[[T], object] | None = None,
        timeout: float | None = None,
        place: str | None = None,
    ) -> T:
        """Run a job and wait until it is committed; ``then`` is called on the hub, in commit order.

        It may run twice. ``timeout``: seconds, None: the engine's own patience. Raises StoreUnavailable,
        Overloaded. After a timeout the job may still be committed. ``place``: see ``submit``.
        """

    def accept(
        self,
        job: Callable[[Transaction], T],
        then: Callable[[T], object] | None = None,
        timeout: float | None = None,
    ) -> T:
        """The same for jobs that insert messages: in the order of their keys they become visible."""

    def submit(self, job: Job, settle: Settle | None = None, place: str | None = None) -> None:
        """Run a job in the next commit without waiting; ``settle(result, error)`` is called on the hub.

        Jobs run, and settle, in the order of submission. Those with a place that are in one commit, with none
        without between them, run in the order of their places: the id of the message whose deliveries a job
        changes; FIRST or LAST for one that changes no rows that others change. So two processes that change
        the same deliveries wait for each other, and never in a circle.
        """

    def keep(self, job: Job, tries: int = TRIES, place: str | None = None) -> None:
        """Run a job in the next commit that succeeds, once: one that the store refuses is tried again.

        ``place``: see ``submit``.
        """

    def flush(self) -> None:
        """Wait until everything submitted or kept so far is committed. Raises StoreUnavailable.

        What is kept and was refused is tried again at once, and when it is refused once more, later.
        """

    def close(self) -> None:
        """Commit what waits, and let go of the database. Raises StoreUnavailable."""
