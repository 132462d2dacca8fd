"""Keeps in Redis what this worker holds: registers, writes all devices, then says that it is complete."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, NamedTuple

import gevent
from gevent.event import Event

from onepush_redis.holdings import Change, Holdings
from onepush_redis.link import Command, Link
from onepush_redis.metrics import Metrics
from onepush_redis.names import Names
from onepush_redis.scripts import SOURCES, Scripts
from onepush_redis.standing import Standing

SLICE = 200
"""Devices written in one call: half a millisecond of the server's time."""
GATHER = 0.003
"""Seconds in which changes gather."""
BEATS = 3
"""Heartbeats after which a worker that is not heard of is not believed any more."""
GRACE_BEATS = 2
"""Heartbeats in which all workers have registered again after the server has forgotten them."""
SWEEP_SECONDS = 3600.0
SWEPT_TOGETHER = 1000
SWEEPS_PER_BEAT = 5


class Lost(Exception):
    """The server does not know us any more, or has lost the devices: all is to be written anew."""


class Registration(NamedTuple):
    """What registering brought. ``certain_at``: monotonic seconds; not complete before."""

    table: bytes
    certain_at: float


class Presence:
    """The work on one link, for one worker. ``standing`` is kept up to date for those who look up.

    Workers that are gone are taken out of the register again and again: what a dead one has sent to a server
    that was wedged is done when that wakes.
    """

    def __init__(
        self,
        holdings: Holdings,
        standing: Standing,
        names: Names,
        heartbeat: float,
        monotonic: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._holdings = holdings
        self._standing = standing
        self._names = names
        self._heartbeat = heartbeat
        self._monotonic = monotonic
        self._metrics = metrics
        self._changed = Event()
        self._ending = False
        self._next_beat = 0.0
        self._next_sweep = monotonic() + SWEEP_SECONDS * (1 + secrets.randbelow(100) / 100)
        self._cursor: bytes | None = None

    def note_change(self) -> None:
        """There is something to write."""
        self._changed.set()

    def beat_soon(self) -> None:
        """Somebody is gone: do not wait for the next beat."""
        self._next_beat = 0.0
        self._changed.set()

    def end(self) -> None:
        """Write what is left, leave the register, stop."""
        self._ending = True
        self._changed.set()

    # --- the work ----------------------------------------------------------------------------

    def work(self, link: Link) -> None:
        """Be present until ``end``."""
        scripts = Scripts(*link.call(*(("SCRIPT", "LOAD", source) for source in SOURCES)))
        while not self._ending:
            try:
                self._stay(link, scripts)
            except Lost:
                gevent.sleep(self._heartbeat / 10)
            finally:
                self._standing.complete = False
        link.call(("HDEL", self._names.workers, self._standing.worker))

    def _stay(self, link: Link, scripts: Scripts) -> None:
        """Register, write everything, then what changes. Raises Lost."""
        registration = self._register(link, scripts)
        self._metrics.resets.inc()
        last = self._holdings.write_all_anew()
        while not self._holdings.is_written(last):
            self._write(link, scripts, registration)
        while not (self._ending and not self._holdings.unwritten):
            self._write(link, scripts, registration)
            self._beat_if_due(link, scripts, registration)
            self._wait()

    def _wait(self) -> None:
        """Until something changes or the next beat is due; a little longer, so that changes gather."""
        if self._holdings.unwritten or self._ending:
            return
        self._changed.clear()
        if self._changed.wait(max(0.0, self._next_beat - self._monotonic())):
            gevent.sleep(GATHER)

    def _register(self, link: Link, scripts: Scripts) -> Registration:
        """Enter the register under a new epoch, which makes void what we wrote under older ones."""
        standing = self._standing
        standing.epoch += 1
        epoch, table, known = self._run(
            link,
            scripts.enter,
            standing.epoch,
            self._until(link),
            link.run,
            secrets.token_hex(8),
            *standing.gone,
        )
        if epoch != standing.epoch:
            standing.epoch = epoch
            raise Lost
        self._next_beat = 0.0
        grace = 0.0 if known else GRACE_BEATS * self._heartbeat
        return Registration(table, self._monotonic() + grace)

    def _write(self, link: Link, scripts: Scripts, registration: Registration) -> None:
        """Write some changes, the oldest first. Raises Lost."""
        changes = self._holdings.changes(SLICE)
        if not changes:
            return
        arguments = [word for change in changes for word in _words(link, change)]
        if not self._run(link, scripts.write, self._standing.epoch, registration.table, *arguments):
            raise Lost
        self._holdings.confirm(changes)

    def _beat_if_due(self, link: Link, scripts: Scripts, registration: Registration) -> None:
        now, standing = self._monotonic(), self._standing
        becomes = not standing.complete and now >= registration.certain_at
        if now < self._next_beat and not becomes:
            return
        self._next_beat = now + self._heartbeat
        complete = standing.complete or becomes
        if standing.gone:
            link.call(("HDEL", self._names.workers, *standing.gone))
        told = (int(complete), self._until(link), link.run, registration.table)
        if not self._run(link, scripts.beat, standing.epoch, *told):
            raise Lost
        standing.complete = complete
        self._sweep(link, scripts)

    def _sweep(self, link: Link, scripts: Scripts) -> None:
        """Once an hour one of the workers takes away claims of the dead, a few with each beat."""
        if self._cursor is None and self._monotonic() >= self._next_sweep:
            self._next_sweep = self._monotonic() + SWEEP_SECONDS
            claim = ("SET", self._names.sweep, 1, "NX", "PX", round(SWEEP_SECONDS * 900))
            self._cursor = b"0" if link.call(claim)[0] else None
        for _ in range(SWEEPS_PER_BEAT):
            if self._cursor is None:
                return
            keys = (2, self._names.workers, self._names.devices)
            cursor, _ = link.call(("EVALSHA", scripts.sweep, *keys, self._cursor, SWEPT_TOGETHER))[0]
            self._cursor = None if cursor == b"0" else cursor

    # --- small things ------------------------------------------------------------------------

    def _until(self, link: Link) -> int:
        return link.clock() + round(BEATS * self._heartbeat * 1000)

    def _run(self, link: Link, script: bytes, *arguments: str | bytes | int) -> Any:
        keys = (2, self._names.workers, self._names.devices)
        command: Command = ("EVALSHA", script, *keys, self._standing.worker, *arguments)
        return link.call(command)[0]


def _words(link: Link, change: Change) -> tuple[int, int | bytes]:
    device, holding = change
    return device, b"" if holding is None else link.clock(holding.since)
