"""Look-ups of holders: one round trip, bounded in time, and not tried for a while after a failure."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import gevent
from gevent.queue import LifoQueue
from redis.exceptions import RedisError

from onepush_core import Breaker
from onepush_redis.link import Command, Link
from onepush_redis.metrics import Metrics
from onepush_redis.names import Names
from onepush_redis.standing import Standing, View, read_claims

LIMIT = 0.25
"""Seconds that a look-up may take."""
PAUSE, LONGEST_PAUSE = 0.5, 2.0


class Lookups:
    """Asks over a few links, each made by ``make_link``. ``standing``: of the worker that asks."""

    def __init__(
        self,
        make_link: Callable[[], Link],
        size: int,
        names: Names,
        monotonic: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._links = [make_link() for _ in range(size)]
        self._idle: LifoQueue[Link] = LifoQueue(size)
        for link in self._links:
            self._idle.put(link)
        self.standing = Standing(0)
        self._names = names
        self._monotonic = monotonic
        self._metrics = metrics
        self._breaker = Breaker(1, PAUSE, LONGEST_PAUSE, monotonic)

    def holders(self, devices: Sequence[int]) -> dict[int, int] | None:
        """Who holds them; None: not known for sure."""
        if not devices:
            return {}
        if not self.standing.complete or self._breaker.pause_left():
            self._metrics.lookups.labels("not_asked").inc()
            return None
        began = self._monotonic()
        found = self._ask(devices)
        self._metrics.lookup_seconds.observe(self._monotonic() - began)
        self._metrics.lookups.labels("unsure" if found is None else "sure").inc()
        return found

    def _ask(self, devices: Sequence[int]) -> dict[int, int] | None:
        timer = gevent.Timeout(LIMIT)
        try:
            with timer:
                run, reply = self._call(self._commands(devices))
                found = self._read(devices, run, reply)
        except gevent.Timeout as late:
            if late is not timer:
                raise
            self._breaker.failed()
            return None
        except Exception:
            self._breaker.failed()
            return None
        self._breaker.succeeded()
        return found

    def _call(self, commands: list[Command]) -> tuple[bytes, list[Any]]:
        """The run of the server, and its reply to the transaction."""
        link = self._idle.get()
        try:
            if link.is_open:
                with contextlib.suppress(RedisError, OSError):
                    return link.run, link.call(*commands)[-1]
            # Not open, or the server has hung up while nobody looked.
            link.open()
            return link.run, link.call(*commands)[-1]
        finally:
            self._idle.put(link)

    def _commands(self, devices: Sequence[int]) -> list[Command]:
        """A transaction: what is not there must not have been there when the markers were read."""
        return [
            ("MULTI",),
            ("HGETALL", self._names.workers),
            ("TIME",),
            ("HMGET", self._names.devices, "table", *devices),
            ("EXEC",),
        ]

    def _read(self, devices: Sequence[int], run: bytes, reply: list[Any]) -> dict[int, int] | None:
        markers, (seconds, microseconds), (table, *claims) = reply
        now = int(seconds) * 1000 + int(microseconds) // 1000
        pairs = dict(zip(markers[::2], markers[1::2], strict=True))
        heads = self.standing.read(View(pairs, now, run, table))
        return None if heads is None else read_claims(devices, claims, heads)

    def close(self) -> None:
        """Hang up."""
        for link in self._links:
            link.close()
