"""What time does to messages: they expire, and long after their end they are forgotten."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from gevent.event import Event

from onepush_core.clock import Clock
from onepush_core.errors import OnepushError
from onepush_core.objects import DeliveryState
from onepush_core.settings import RetentionSettings
from onepush_core.store import counters, deliveries, idempotency, messages, retention
from onepush_core.store.engine import Engine
from onepush_core.store.transaction import Transaction

log = structlog.get_logger("onepush.housekeeping")
LOOK = 0.5
PAGE = 2000
BREATH = 0.01
"""Seconds between two batches of a pruning, which are for the others."""


class Housekeeping:
    """Two loops: expiry every half second, retention every ``settings.interval`` seconds.

    ``leads``: whether this worker does it for all.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        settings: RetentionSettings,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._leads = leads
        self._engine = engine
        self._clock = clock
        self._settings = settings
        self._stopping = Event()

    def run_expiry(self) -> None:
        """End the deliveries of messages whose life is over, until ``stop``."""
        self._loop(self.expire, LOOK)

    def run_retention(self) -> None:
        """Delete what ended long ago, until ``stop``."""
        self._loop(self.prune, self._settings.interval)

    def stop(self) -> None:
        """End both loops."""
        self._stopping.set()

    def _loop(self, step: Callable[[], None], pause: float) -> None:
        while not self._clock.pause(pause, self._stopping):
            if not self._leads():
                continue
            try:
                step()
            except Exception as error:
                expected = isinstance(error, OnepushError)
                log.error("housekeeping_failed", error=type(error).__name__, exc_info=not expected)

    def expire(self) -> None:
        """Everything that has expired by now."""
        now = self._clock.now()
        for message in self._engine.read(lambda transaction: messages.expired(transaction, now, PAGE)):
            self.end_message(message, DeliveryState.EXPIRED)
        for message in self._engine.read(messages.half_cancelled):
            self.end_message(message, DeliveryState.CANCELLED)

    def end_message(self, message: int, state: DeliveryState) -> None:
        """Give all pending deliveries of a message a final state, a page at a time."""
        after: int | None = 0
        while after is not None:
            after = self._engine.write(_ending(message, state, after, self._clock.now()))

    def prune(self) -> None:
        """Finished messages and idempotency keys that are old enough."""
        now = self._clock.now()
        limit = self._settings.batch
        before = now - round(self._settings.finished_after * 1000)
        while self._prune_messages(before, limit) == limit and not self._stopping.is_set():
            pass
        old = now - idempotency.LIFE
        while self._prune_idempotency(old, limit) == limit and not self._stopping.is_set():
            self._stopping.wait(BREATH)

    def _prune_messages(self, before: int, limit: int) -> int:
        found = self._engine.read(lambda transaction: retention.oldest_finished(transaction, before, limit))
        for message in found:
            while not self._stopping.is_set() and not self._engine.write(_pruning(message, limit)):
                self._stopping.wait(BREATH)
        return len(found)

    def _prune_idempotency(self, before: int, limit: int) -> int:
        return self._engine.write(lambda transaction: retention.prune_idempotency(transaction, before, limit))


def _ending(message: int, state: DeliveryState, after: int, now: int) -> Callable[[Transaction], int | None]:
    def job(transaction: Transaction) -> int | None:
        last = deliveries.end_pending(transaction, message, state, after, PAGE, now)
        if last is None:
            counters.finish(transaction, message, now)
        return last

    return job


def _pruning(message: int, limit: int) -> Callable[[Transaction], bool]:
    return lambda transaction: retention.prune(transaction, message, limit)
