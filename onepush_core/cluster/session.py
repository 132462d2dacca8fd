"""A worker's session: while it is renewed, lanes, leases and sockets of the worker are its own.

A worker that was paused too long, or cut off from the database, is given up by the others. When it wakes,
its old session is a fence: nothing done under it is recorded, and nothing more leaves.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import gevent
import structlog

from onepush_core.errors import OnepushError, StoreUnavailable
from onepush_core.store import workers
from onepush_core.store.engine import Engine
from onepush_core.store.transaction import Transaction

log = structlog.get_logger("onepush.cluster")
MARGIN = 0.2
"""Part of the lease by which a worker stops before the others give it up."""
RENEWALS = 5
"""Renewals in the time of a lease."""


def _host() -> str:
    """This machine since it booted, and the space in which its process ids mean something."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{os.uname().nodename} {boot} {os.stat('/proc/self/ns/pid').st_ino}"


HOST = _host()


class Lease:
    """The fence of one session. ``until``: monotonic seconds, put off by each renewal.

    By real time, whatever clock the gateway goes by: the others go by that of the database.
    """

    def __init__(self, key: int, until: float) -> None:
        self.key = key
        self.until = until
        self.term = 0
        self.lost = False

    def is_valid(self) -> bool:
        """False as soon as others may have given this worker up."""
        return not self.lost and time.monotonic() < self.until

    def renew(self, until: float) -> bool:
        """Live on; False when it was not valid in between."""
        unbroken = self.is_valid()
        self.term += not unbroken
        self.until = until
        return unbroken

    def check(self, transaction: Transaction) -> bool:
        """Asked once for all jobs of a commit."""
        mark = f"lease {self.key}"
        if mark not in transaction.notes:
            transaction.notes[mark] = workers.is_alive(transaction, self.key)
        return bool(transaction.notes[mark])


class Session:
    """Keeps this worker alive in the eyes of the others, and looks who of them is not.

    ``lapsed()``: called when this worker was silent for so long that it dared not do anything, and was not
    given up. ``lost()``: it was, and goes on under a new key. ``seen(living, gone)``: called with the
    workers that live, and those that were given up or have left, whenever it has looked.
    """

    def __init__(
        self,
        engine: Engine,
        seconds: float,
        lapsed: Callable[[], object],
        lost: Callable[[], object],
        seen: Callable[[set[int], set[int]], object],
    ) -> None:
        self._engine = engine
        self._seconds = seconds
        self._lapsed = lapsed
        self._lost = lost
        self._seen = seen
        self._steady_since = 0.0
        self.lease = Lease(0, 0.0)
        self.living: set[int] = set()

    def open(self) -> None:
        """Begin. Raises StoreUnavailable."""
        self._begin()
        self._look()

    def _begin(self) -> None:
        began = time.monotonic()
        lease = round(self._seconds * 1000)
        key = self._engine.write(lambda transaction: workers.add(transaction, HOST, os.getpid(), lease))
        self.lease = Lease(key, self._end(began))
        self._steady_since = began

    def _end(self, began: float) -> float:
        return began + self._seconds * (1 - MARGIN)

    def close(self) -> None:
        """End: what this worker had in hand is free at once."""
        key, self.lease.lost = self.lease.key, True
        try:
            self._engine.write(lambda transaction: workers.leave(transaction, key), timeout=2.0)
        except OnepushError as error:
            log.warning("session_not_closed", error=type(error).__name__)

    def leads(self) -> bool:
        """Whether this is the worker that does what one has to do for all: the oldest."""
        return self.lease.is_valid() and self.lease.key == min(self.living, default=self.lease.key)

    def run(self) -> None:
        """Renew, and look after the others, for ever."""
        while True:
            gevent.sleep(self._seconds / RENEWALS)
            try:
                self.renew()
                self._look()
            except StoreUnavailable:
                continue  # the lease runs out by itself
            except Exception as error:
                log.error("session_failed", error=type(error).__name__)

    def renew(self) -> None:
        """Live on, under a new key where the old one was given up. Raises StoreUnavailable."""
        began = time.monotonic()
        lease, milliseconds = self.lease, round(self._seconds * 1000)
        if self._engine.write(
            lambda transaction: workers.renew(transaction, lease.key, milliseconds),
            timeout=self._seconds / 2,
        ):
            self._go_on(lease, began)
            return
        log.warning("session_lost", worker=lease.key)
        lease.lost = True
        self._begin()
        self._lost()

    def _go_on(self, lease: Lease, began: float) -> None:
        if lease.renew(self._end(began)):
            return
        log.warning("session_lapsed", worker=lease.key)
        self._steady_since = began
        self._lapsed()

    def _look(self) -> None:
        found = self._engine.read(workers.living)
        crashed = [worker.key for worker in found if worker.host == HOST and not _runs(worker.pid)]
        # After an outage of the database all leases have run out: the others get time to renew theirs.
        steady = time.monotonic() - self._steady_since > self._seconds
        dead = self._engine.write(lambda transaction: workers.reap(transaction, crashed, steady))
        living = {worker.key for worker in found}.difference(dead)
        gone = (self.living - living) | set(dead)
        self.living = living
        if dead:
            log.warning("workers_given_up", workers=dead)
        self._seen(living, gone)


def _runs(pid: int) -> bool:
    """Whether a process of this machine still runs; one that only waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's, which /proc may hide
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
