"""The ledger: what became of every delivery, written through the store's one writer.

Nothing here waits for a commit; jobs are written in the order of the calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import gevent
import structlog

from onepush_core import rounds
from onepush_core.clock import Clock
from onepush_core.fences import Fence
from onepush_core.metrics import Metrics
from onepush_core.objects import DeliveryState, Message, Receipt, Status
from onepush_core.rounds import Verdict
from onepush_core.store import counters, deliveries, devices
from onepush_core.store.deliveries import Change, Schedule
from onepush_core.store.engine import Engine
from onepush_core.store.trail import Entry, add_entry
from onepush_core.store.transaction import Transaction
from onepush_core.store.writer import LAST

log = structlog.get_logger("onepush.ledger")
Confirmed = Callable[[list[Receipt]], None]


class Ledger:
    """Records verdicts and confirms. ``confirmed`` is called with what was news, once it is stored."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        metrics: Metrics,
        schedule: Schedule,
        queue_limit: int,
        confirmed: Confirmed,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._metrics = metrics
        self._schedule = schedule
        self._queue_limit = queue_limit
        self._confirmed = confirmed
        self._confirms: dict[tuple[str, str], list[int]] = {}
        self._grown: set[int] = set()

    def record(
        self,
        message: Message,
        verdicts: Sequence[Verdict],
        rest: Sequence[Change] = (),
        *,
        fence: Fence | None = None,
        ended: Sequence[int] = (),
        page: Sequence[int] = (),
        cursor: int | None = None,
        dispatched: bool = False,
    ) -> None:
        """Write what a step of a round has brought.

        ``fence``: whose work that was; None: it happened, whoever was to do it. Of a worker that was given up
        only what has left it is written, so that others need not send it again. ``rest``: changes nobody
        answered for (leases, check-backs). ``ended``: devices for which a transient message is over.
        ``page``: devices whose queue may now be too long. ``cursor``: how far the first round has come;
        ``dispatched``: that was all of it.
        """
        now = self._clock.now()
        worker = fence.key if fence else 0
        self._measure(message, verdicts, now)

        def job(transaction: Transaction) -> None:
            if fence is not None and not fence.check(transaction):
                log.warning("record_refused", message=message.id)
                self.write(transaction, message, list(filter(_has_left, verdicts)))
                return
            handed_off = self._write_all(transaction, message, verdicts, now, worker)
            for change in rest:
                deliveries.apply_change(transaction, message.key, change, self._schedule, now, worker)
            if ended:
                deliveries.end_devices(transaction, message.key, ended, DeliveryState.EXPIRED, now)
            counters.advance(transaction, message.key, now, handed_off, cursor, dispatched)

        self._engine.keep(job, place=message.id)
        if page:
            self._limit_queues(page)

    def write(self, transaction: Transaction, message: Message, verdicts: Sequence[Verdict]) -> None:
        """Write verdicts inside a job of somebody else's."""
        now = self._clock.now()
        handed_off = self._write_all(transaction, message, verdicts, now, worker=0)
        counters.advance(transaction, message.key, now, handed_off, cursor=None, dispatched=False)

    def _write_all(
        self, transaction: Transaction, message: Message, verdicts: Sequence[Verdict], now: int, worker: int
    ) -> int:
        """Write verdicts and count the answers; how many deliveries they handed off."""
        handed_off = sum(self._write(transaction, message, verdict, now, worker) for verdict in verdicts)
        for name, counts in rounds.count(verdicts).items():
            counters.count_answers(transaction, message.key, name, counts)
        return handed_off

    def _limit_queues(self, devices: Sequence[int]) -> None:
        """Look at these devices' queues after the record: once for all that is recorded in a turn of the hub.

        Sends that come in together are often for the same device, and a full queue is long to count.
        """
        if not self._grown:
            gevent.get_hub().loop.run_callback(self._submit_limits)
        self._grown.update(devices)

    def _submit_limits(self) -> None:
        grown, self._grown = sorted(self._grown), set()
        if not grown:
            return
        now = self._clock.now()
        self._engine.keep(
            lambda transaction: deliveries.drop_overflow(transaction, grown, self._queue_limit, now),
            place=LAST,
        )

    def _write(
        self, transaction: Transaction, message: Message, verdict: Verdict, now: int, worker: int
    ) -> int:
        """Write one verdict; how many deliveries it handed off."""
        change = verdict.change
        changed = deliveries.apply_change(transaction, message.key, change, self._schedule, now, worker)
        if verdict.status is not Status.HELD:
            entry = Entry(change.devices, now, verdict.transport, verdict.status.value, verdict.reason)
            add_entry(transaction, message.key, entry)
        if verdict.status is Status.GONE:
            devices.forget_address(transaction, change.devices, verdict.transport)
        return changed if change.state is DeliveryState.HANDED_OFF else 0

    def _measure(self, message: Message, verdicts: Iterable[Verdict], now: int) -> None:
        for verdict in verdicts:
            number = len(verdict.change.devices)
            self._metrics.outcome(verdict.transport, verdict.status.value, verdict.reason, number)
            if verdict.status in (Status.DELIVERED, Status.SENT):
                self._metrics.handed(verdict.transport, (now - message.accepted_at) / 1000)

    def note(
        self, message: Message, devices: Sequence[int], transport: str, outcome: str, reason: str
    ) -> None:
        """Add a line to the trail that changes nothing."""
        entry = Entry(devices, self._clock.now(), transport, outcome, reason)
        self._engine.keep(lambda transaction: add_entry(transaction, message.key, entry), place=message.id)

    def flush(self) -> None:
        """Wait until everything said so far is on disk."""
        self._submit_confirms()
        self._submit_limits()
        self._engine.flush()

    def confirm(self, transport: str, message_id: str, device: int) -> None:
        """A device says that it has a message. All its confirms of one turn of the hub become one job."""
        if not self._confirms:
            gevent.get_hub().loop.run_callback(self._submit_confirms)
        self._confirms.setdefault((transport, message_id), []).append(device)

    def _submit_confirms(self) -> None:
        confirms, self._confirms = self._confirms, {}
        now = self._clock.now()
        for (transport, message_id), keys in confirms.items():
            self._submit_confirm(transport, message_id, keys, now)

    def _submit_confirm(self, transport: str, message_id: str, keys: Sequence[int], now: int) -> None:
        def job(transaction: Transaction) -> list[Receipt]:
            _, news = deliveries.confirm(transaction, message_id, transport, keys, now)
            return [Receipt(message_id, key, transport, now) for key in news]

        self._engine.submit(job, self._settle_confirms, place=message_id)

    def _settle_confirms(self, receipts: list[Receipt], error: BaseException | None) -> None:
        if error is not None:
            # The devices confirm again when the message is sent again.
            log.error("confirms_not_written", error=type(error).__name__)
        elif receipts:
            self._metrics.confirmed(len(receipts))
            self._confirmed(receipts)


def _has_left(verdict: Verdict) -> bool:
    """Whether a transport has taken the message for good."""
    return verdict.status in (Status.DELIVERED, Status.SENT)
