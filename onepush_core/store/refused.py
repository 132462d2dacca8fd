"""Jobs that are kept and that the store has refused: tried again together, soon, or at once when asked."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import gevent
import structlog

from onepush_core.errors import StoreUnavailable

if TYPE_CHECKING:
    from onepush_core.store.writer import Job, Settle

log = structlog.get_logger("onepush.store")
AGAIN = 0.5
"""Seconds after which what was refused is tried again."""
FAULTS = {"DataError", "IntegrityError", "InternalError", "NotSupportedError", "ProgrammingError"}
"""Errors of a driver (PEP 249) that say something of the statement, not of the store."""


class Kept(NamedTuple):
    """A job that is kept. ``tries``: how many are left; ``counted``: when the last one was used up.

    ``is_faulty``: the store is well, and refuses it all the same.
    """

    job: Job
    place: str | None
    tries: int
    counted: float = -math.inf
    is_faulty: bool = False


class Refused:
    """In the order in which they were refused. ``submit``: puts a job into the next commit."""

    def __init__(self, submit: Callable[[Job, Settle, str | None], None]) -> None:
        self._submit = submit
        self._kept: list[Kept] = []
        self._is_timed = False

    def __len__(self) -> int:
        """How many wait for the store; nobody is to wait for a job that fails for reasons of its own."""
        return sum(not kept.is_faulty for kept in self._kept)

    def add(self, kept: Kept, error: BaseException) -> None:
        """A try of it has failed."""
        now = time.monotonic()
        if now - kept.counted >= AGAIN:  # a flush in between costs none
            kept = kept._replace(tries=kept.tries - 1, counted=now)
        if kept.tries < 1 or not isinstance(error, StoreUnavailable):
            log.error("write_failed", error=type(error).__name__)
            return
        self._kept.append(kept._replace(is_faulty=is_fault(error)))
        if not self._is_timed:
            self._is_timed = True
            gevent.spawn_later(AGAIN, self._try_in_time)

    def try_again(self) -> None:
        """Try in the next commit what the store has refused.

        Not what is faulty: a commit with it falls apart into one for each of its jobs.
        """
        kept, self._kept = self._kept, [one for one in self._kept if one.is_faulty]
        self._submit_all([one for one in kept if not one.is_faulty])

    def _try_in_time(self) -> None:
        self._is_timed = False
        kept, self._kept = self._kept, []
        self._submit_all(kept)

    def _submit_all(self, kept: list[Kept]) -> None:
        for one in kept:
            self._submit(one.job, partial(self._settle, one), one.place)

    def _settle(self, kept: Kept, _: Any, error: BaseException | None) -> None:
        if error is not None:
            self.add(kept, error)


def is_fault(error: BaseException) -> bool:
    """Whether the store has refused the statement itself."""
    return not FAULTS.isdisjoint(kind.__name__ for kind in type(error.__cause__).__mro__)
