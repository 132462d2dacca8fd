"""Payloads on their way out: a bounded queue, and one greenlet that sends what has gathered in one write."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from onepush_redis.bounded import BoundedQueue
from onepush_redis.link import Command, Link
from onepush_redis.metrics import Metrics
from onepush_redis.names import Names

LATE = 1.0
"""Seconds after which a hint is not worth sending any more."""
WRITE_BYTES = 524_288
"""Payloads that go out in one write."""
OVERHEAD = 64
"""Bytes that a queued payload takes beside its own."""


class Outgoing(NamedTuple):
    """A payload for a worker; without one: for ourselves, to hear whether the server passes it on."""

    worker: int | None
    payload: bytes
    since: float


class Sender:
    """Publishes. ``worker``: who we are; ``heartbeat``: seconds between two words to ourselves."""

    def __init__(
        self,
        worker: int,
        queue: BoundedQueue[Outgoing],
        names: Names,
        heartbeat: float,
        monotonic: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._queue = queue
        self._names = names
        self._echo = names.echo(worker)
        self._heartbeat = heartbeat
        self._monotonic = monotonic
        self._metrics = metrics
        self._ending = False
        self.connected = False

    def put(self, worker: int | None, payload: bytes) -> bool:
        """Queue a payload; False when it is not going to be sent. Never waits."""
        if not self.connected:
            return self._drop("offline", worker is not None)
        one = Outgoing(worker, payload, self._monotonic())
        if not self._queue.put(one, len(payload) + OVERHEAD):
            return self._drop("full", worker is not None)
        return True

    def work(self, link: Link) -> None:
        """Send what comes, until ``end``."""
        self.connected = True
        next_echo = 0.0
        try:
            while self._queue or not self._ending:
                self._queue.wait(max(0.0, next_echo - self._monotonic()))
                self._send(link, self._in_time(self._queue.take(WRITE_BYTES)))
                if self._monotonic() >= next_echo:
                    next_echo = self._monotonic() + self._heartbeat
                    link.call(("PUBLISH", self._echo, b""))
        finally:
            self.connected = False

    def end(self) -> None:
        """Send what is queued, then stop."""
        self._ending = True
        self._queue.wake()

    def _in_time(self, taken: list[Outgoing]) -> list[Outgoing]:
        oldest = self._monotonic() - LATE
        fresh = [one for one in taken if one.since >= oldest]
        self._drop("late", len(taken) - len(fresh))
        return fresh

    def _send(self, link: Link, batch: list[Outgoing]) -> None:
        if not batch:
            return
        number = sum(one.worker is not None for one in batch)
        try:
            link.call(*self._commands(batch))
        except BaseException:
            self._drop("failed", number)
            raise
        self._metrics.published.inc(number)

    def _commands(self, batch: Iterable[Outgoing]) -> list[Command]:
        """One PUBLISH for each worker that something is for."""
        mail: dict[int, list[bytes]] = {}
        commands: list[Command] = []
        for one in batch:
            if one.worker is None:
                commands.append(("PUBLISH", self._echo, one.payload))
            else:
                mail.setdefault(one.worker, []).append(one.payload)
        commands += [
            ("PUBLISH", self._names.mail(worker), msgspec.msgpack.encode(payloads))
            for worker, payloads in mail.items()
        ]
        return commands

    def _drop(self, reason: str, number: int) -> bool:
        if number:
            self._metrics.dropped.labels(reason).inc(number)
        return False
