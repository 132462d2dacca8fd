"""Keeps one link up: connects, works on it, and begins again when something went wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import gevent
import structlog

from onepush_redis.backoff import Backoff
from onepush_redis.link import Link
from onepush_redis.metrics import Metrics

log = structlog.get_logger("onepush.redis")
STEADY = 2.0
"""Seconds after which a link that came up counts as well again."""


class Stopped(OSError, gevent.GreenletExit):
    """Ends a keeper. redis-py closes its socket after any OSError; a GreenletExit is no failure to gevent."""


class Keeper:
    """A greenlet that runs ``work(link)`` again and again until it returns.

    ``name``: one of a few, for log and metrics.
    """

    def __init__(
        self,
        name: str,
        link: Link,
        work: Callable[[Link], object],
        metrics: Metrics,
        backoff: Backoff | None = None,
    ) -> None:
        self._name = name
        self._link = link
        self._work = work
        self._metrics = metrics
        self._backoff = backoff or Backoff()
        self._trouble: str | None = None
        self.ended = False
        self.greenlet: gevent.Greenlet[..., None] = gevent.Greenlet(self._run)

    def _run(self) -> None:
        with suppress(Stopped):
            while not self._turn():
                gevent.sleep(self._backoff.pause())
                self._metrics.reconnects.labels(self._name).inc()

    def _turn(self) -> bool:
        """Work once; True when the work is done for good."""
        steady = gevent.Greenlet(self._note_up)
        try:
            self._link.open()
            steady.start_later(STEADY)
            self._work(self._link)
            return True
        except Exception as error:
            if not self.ended:
                self._note_down(type(error).__name__)
            return self.ended
        finally:
            self._link.close()
            steady.kill(block=False)

    def _note_up(self) -> None:
        """It holds: many a trouble shows only after connecting, and should not fill the log."""
        self._backoff.reset()
        if self._trouble is not None:
            log.info("redis_link_up", link=self._name)
        self._trouble = None

    def _note_down(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning("redis_link_down", link=self._name, error=trouble)
        self._trouble = trouble


def stop_all(keepers: Sequence[Keeper], patience: float = 0.0) -> None:
    """Wait so many seconds for their work to be done, then end it; without patience, wait for nothing."""
    greenlets = [keeper.greenlet for keeper in keepers]
    if patience:
        gevent.joinall(greenlets, timeout=patience)
    for keeper in keepers:
        keeper.ended = True
    gevent.killall(greenlets, Stopped(), block=bool(patience), timeout=patience)
