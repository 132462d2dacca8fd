"""Later rounds: deliveries that come due are offered again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import gevent
import structlog
from gevent.event import AsyncResult, Event

from onepush_core.asking import LEASE
from onepush_core.clock import Clock
from onepush_core.errors import OnepushError
from onepush_core.fences import Alone, Fence
from onepush_core.objects import Message
from onepush_core.offering import Offering
from onepush_core.store import due, messages
from onepush_core.store.due import Due
from onepush_core.store.engine import Engine
from onepush_core.store.transaction import Transaction

log = structlog.get_logger("onepush.followup")
Claimed = tuple[list[Due], dict[int, Message]]
BATCH = 1000
LOOK = 0.5
FRESH = 1.0
"""Seconds for which what was claimed is taken to stand in the ledger as it was read."""


class Followup:
    """One loop that claims what is due and runs its rounds. ``look``: seconds between two looks."""

    def __init__(
        self,
        engine: Engine,
        offering: Offering,
        clock: Clock,
        is_cancelled: Callable[[Message], bool],
        fence: Callable[[], Fence] = Alone,
        look: float = LOOK,
    ) -> None:
        self._fence = fence
        self._engine = engine
        self._offering = offering
        self._clock = clock
        self._is_cancelled = is_cancelled
        self._look = look
        self._stopping = Event()

    def run(self) -> None:
        """Work until ``stop``; a failure of the store costs a pause."""
        while not self._stopping.is_set():
            try:
                more = self.run_due()
            except Exception as error:
                expected = isinstance(error, OnepushError)
                log.error("followup_failed", error=type(error).__name__, exc_info=not expected)
                more = False
            self._clock.pause(0.001 if more else self._look, self._stopping)

    def stop(self) -> None:
        """End the loop."""
        self._stopping.set()

    def run_due(self) -> bool:
        """One batch of what is due now; True when there may be more."""
        now, fence = self._clock.now(), self._fence()
        earliest = self._engine.read(due.next_due)
        if earliest is None or earliest > now or not fence.is_valid():
            return False
        claimed, found = self._claim(now, fence)
        by_message: dict[int, list[Due]] = {}
        for one in claimed:
            by_message.setdefault(one.message, []).append(one)
        began = self._clock.monotonic()
        groups = sorted(by_message.items())  # a first delivery that was late keeps its place
        for number, (key, group) in enumerate(groups):
            if self._clock.monotonic() - began > FRESH:
                self._give_back([one for _, rest in groups[number:] for one in rest], now, fence)
                self._engine.flush()  # so that the next look finds them
                return True
            self._offer(found.get(key), group, now, fence)
        return len(claimed) == BATCH

    def _claim(self, now: int, fence: Fence) -> Claimed:
        """Claim what is due. Raises StoreUnavailable, Overloaded.

        What is claimed all the same, but so late that nobody works on it, is given back: device by device,
        for other leases of this worker may end at the same time.
        """
        late: AsyncResult[Claimed] = AsyncResult()
        try:
            return self._engine.write(lambda transaction: _claim(transaction, now, fence), then=late.set)
        except OnepushError:
            late.rawlink(lambda came: self._give_back(cast("Claimed", came.value)[0], now, fence))
            raise

    def _give_back(self, rest: Sequence[Due], now: int, fence: Fence) -> None:
        """Nobody came to these; some may have been delivered otherwise since. Does not wait."""
        self._engine.keep(lambda transaction: due.give_back(transaction, rest, now, now + LEASE, fence.key))

    def _offer(self, message: Message | None, group: Sequence[Due], now: int, fence: Fence) -> None:
        if message is None or message.expires_at <= now or self._is_cancelled(message):
            return
        try:
            self._offering.later_round(message, group, fence)
        except Exception as error:
            # The lease brings these devices back; the others of the batch are not to wait for them.
            log.error("round_failed", message=message.id, error=type(error).__name__)
            gevent.sleep(0)


def _claim(transaction: Transaction, now: int, fence: Fence) -> Claimed:
    if not fence.check(transaction):
        return [], {}
    claimed = due.claim_due(transaction, now, now + LEASE, BATCH, fence.key)
    return claimed, messages.find_messages(transaction, sorted({one.message for one in claimed}))
