"""Hand-over: devices whose sockets another worker holds go to that worker, which answers for them.

What is handed over stays pending in the ledger and comes due again a little later, so a lost word costs
that time. The receiver records what became of its devices itself.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import gevent
import structlog
from gevent.event import Event
from gevent.queue import SimpleQueue

from onepush_core.cluster.exchange import Exchange
from onepush_core.cluster.registry import Registry
from onepush_core.cluster.session import Lease, Session
from onepush_core.cluster.words import HandOver, hand_over
from onepush_core.errors import LeaseLost, OnepushError
from onepush_core.fences import Fence
from onepush_core.ledger import Ledger
from onepush_core.objects import Message
from onepush_core.store import messages
from onepush_core.store.due import Due, due_first, open_until
from onepush_core.store.engine import Engine
from onepush_core.store.transaction import Transaction

log = structlog.get_logger("onepush.cluster")
REMEMBERED = 1000
"""Numbers of a sender that are remembered, to tell a repetition from what came late."""
WAITING = 10_000
"""Pages that may wait here; what is more comes again by itself."""
APPS = 10_000
"""Apps whose place is remembered."""
DOUBT = 60.0
"""Seconds after a gap in which a device may miss something; what was lost comes due sooner."""
MOVED = 2_000
"""Milliseconds before a page was handed over: who has connected since then may have got it elsewhere. The
hosts' clocks may differ by a part of it, and the page was stored another part before.
"""
SETTLING = 3.0
"""Seconds for which frames on their way are waited for before the ledger is asked."""


class Local(Protocol):
    """Offers devices to the transports with connections of this very worker."""

    def offer_here(self, message: Message, keys: Sequence[int], fence: Fence) -> None:
        """A first delivery."""

    def offer_again_here(self, message: Message, due: Sequence[Due], fence: Fence) -> None:
        """Deliveries as they stand in the ledger."""

    def settle(self, patience: float) -> None:
        """Wait until what is being offered now is handed to the ledger."""


class Outgoing:
    """Finds out who holds the sockets of devices, and hands them over."""

    def __init__(self, session: Session, registry: Registry, exchange: Exchange) -> None:
        self._session = session
        self._registry = registry
        self._exchange = exchange
        self._numbers: dict[int, int] = defaultdict(int)

    def find_holders(self, devices: Sequence[int]) -> dict[int, int]:
        """Which other worker holds which of these devices (waits). Raises StoreUnavailable."""
        own = self._session.lease.key
        found = self._registry.find(devices)
        return {device: worker for device, worker in found.items() if worker != own}

    def hand_over(
        self,
        message: Message,
        holders: Mapping[int, int],
        attempts: Mapping[int, int] | None,
        fence: Fence,
    ) -> None:
        """Have these devices (to worker) offered there. Does not wait.

        ``attempts``: how often each was handed the message before; None: this is its first delivery.
        Raises LeaseLost.
        """
        if not fence.is_valid():
            raise LeaseLost
        by_worker: dict[int, list[int]] = {}
        for device, worker in holders.items():
            by_worker.setdefault(worker, []).append(device)
        for worker, keys in by_worker.items():
            self._tell(worker, message, sorted(keys), attempts, fence)

    def _tell(
        self,
        worker: int,
        message: Message,
        keys: list[int],
        attempts: Mapping[int, int] | None,
        fence: Fence,
    ) -> None:
        self._numbers[worker] += 1
        known = None if attempts is None else [attempts.get(key, 0) for key in keys]
        at = round(time.time() * 1000)
        word = hand_over(fence.key, worker, self._numbers[worker], message, keys, known, at)
        # What comes due again was not heard of: the fast way may have lost it, and could do so again.
        say = self._exchange.tell if attempts is None else self._exchange.post
        say(worker, word, fence)

    def forget_all(self) -> None:
        """This worker goes on under a new key, and counts anew."""
        self._numbers.clear()

    def forget(self, workers: set[int]) -> None:
        """These workers are gone."""
        for worker in workers:
            self._numbers.pop(worker, None)


class Numbers:
    """What has come in from one sender. Pure."""

    def __init__(self) -> None:
        self._next = 1
        self._seen: deque[int] = deque(maxlen=REMEMBERED)

    def take(self, number: int) -> bool | None:
        """True: the next one in order. False: others are missing, or it is late. None: a repetition."""
        if number in self._seen:
            return None
        self._seen.append(number)
        in_order = number == self._next
        self._next = max(self._next, number + 1)
        return in_order


class Place(NamedTuple):
    """How far the first deliveries of an app have come here: from whom, and up to which message."""

    sender: int
    message: int


class Places:
    """Where each app stands. Pure."""

    def __init__(self) -> None:
        self._known: dict[int, Place] = {}

    def advance(self, app: int, sender: int, message: int) -> bool:
        """Go on to this page; False where something else may have to go before it."""
        before = self._known.get(app)
        if before is None and len(self._known) >= APPS:
            self._known.clear()
        latest = before.message if before else 0
        self._known[app] = Place(sender, max(latest, message))
        return before is not None and before.sender == sender and before.message <= message

    def is_newest(self, app: int, message: int) -> bool:
        """Whether nothing that was handed over before is of a later message."""
        before = self._known.get(app)
        return before is None or before.message <= message

    def changes_hands(self, app: int, sender: int) -> bool:
        """Whether another one handed over the app's messages before."""
        before = self._known.get(app)
        return before is not None and before.sender != sender

    def pass_by(self, app: int, message: int) -> None:
        """This message was delivered beside the order: it is not the next one any more."""
        before = self._known.get(app)
        if before is not None and before.message <= message:
            self._known[app] = Place(before.sender, message + 1)


class Doubt:
    """After a gap each device may miss something: it is looked up once before it is handed more. Pure.

    Times are seconds.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._cleared: set[int] = set()

    def begin(self, now: float) -> None:
        """Something is missing, and nobody knows whose it is."""
        self._until = now + DOUBT
        self._cleared.clear()

    def suspects(self, devices: Sequence[int], now: float) -> list[int]:
        """Those of these devices that have to be looked up."""
        if now < self._until:
            return [device for device in devices if device not in self._cleared]
        self._cleared.clear()
        return []

    def clear(self, devices: Sequence[int]) -> None:
        """These have been looked up."""
        self._cleared.update(devices)


class Incoming:
    """Takes pages of other workers, one after the other.

    In order, a first delivery goes straight to the sockets. Where something may be missing, or have been
    delivered before, the ledger tells what is open and goes first, so that the order of each device holds.
    As a page that is missing may have been any device's, that is done once for each device after a gap. So
    it is for devices that were elsewhere when the page was handed over, or may have been.
    ``is_ours(app)``: whether this worker dispatches for this app, by now.
    """

    def __init__(
        self,
        engine: Engine,
        session: Session,
        registry: Registry,
        ledger: Ledger,
        local: Local,
        may_leave: Callable[[Message], bool],
        is_ours: Callable[[int], bool],
    ) -> None:
        self._engine = engine
        self._session = session
        self._registry = registry
        self._ledger = ledger
        self._local = local
        self._may_leave = may_leave
        self._is_ours = is_ours
        self._senders: dict[int, Numbers] = defaultdict(Numbers)
        self._places = Places()
        self._doubt = Doubt()
        self._waiting: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def put(self, word: HandOver) -> None:
        """Take this page when its turn comes. Does not wait."""
        if self._waiting.qsize() < WAITING:
            self._waiting.put(partial(self.take, word))

    def forget(self, workers: set[int]) -> None:
        """These workers are gone."""
        for worker in workers:
            self._senders.pop(worker, None)

    def forget_all(self) -> None:
        """This worker goes on under a new key, and all count anew for it."""
        self._senders.clear()

    def run(self) -> None:
        """Work for ever."""
        for work in self._waiting:
            try:
                work()
            except Exception as error:
                # Its devices come due again; what they are handed until then is not the next for them.
                self._doubt.begin(time.monotonic())
                expected = isinstance(error, OnepushError)
                log.error("hand_over_failed", error=type(error).__name__, exc_info=not expected)
                gevent.sleep(0)

    def catch_up(self, app: int, until: int, patience: float) -> None:
        """Wait until all that has come in so far is done, and what got lost on the way here, too.

        What is dispatched before that overtakes it.
        """
        self._work_in_turn(partial(self._offer_missing, app, until), patience)

    def _offer_missing(self, app: int, until: int) -> None:
        open_ = self._engine.read(lambda transaction: due_first(transaction, app, until))
        here = sorted({device for _, device in open_ if self._registry.holds(device)})
        if here:
            latest = max(message for message, _ in open_)
            self._offer_what_is_open(here, latest, {}, self._session.lease)

    def take(self, word: HandOver) -> None:
        """Offer the devices of one page."""
        lease = self._session.lease
        if word.receiver != lease.key or not lease.is_valid():
            return
        in_order = self._senders[word.sender].take(word.number)
        if in_order is False or self._places.changes_hands(word.app[0], word.sender):
            self._doubt.begin(time.monotonic())
        if in_order is None or not self._may_leave(word.message):
            return
        is_newest = word.fresh and self._places.is_newest(word.app[0], word.key)
        is_next = self._is_next(word, in_order)
        unsure = self._find_unsure(word) if is_next else word.devices
        if unsure:
            attempts = dict(zip(word.devices, word.attempts, strict=True)) if not word.fresh else {}
            self._offer_what_is_open(unsure, word.key, attempts, lease)
        if is_next and len(unsure) < len(word.devices):
            sure = sorted(set(word.devices).difference(unsure)) if unsure else word.devices
            self._local.offer_here(word.message, sure, lease)
        if is_newest:  # what comes again is looked up no further than that; later ones may be missing, too
            self._doubt.clear(unsure)
        self._registry.disown(word.devices)

    def _find_unsure(self, word: HandOver) -> list[int]:
        suspects = self._doubt.suspects(word.devices, time.monotonic())
        return sorted({*suspects, *self._registry.came_since(word.devices, word.at - MOVED)})

    def _is_next(self, word: HandOver, in_order: bool) -> bool:
        """Whether nothing is missing just before this page, and nobody else has delivered it."""
        app = word.app[0]
        if not word.fresh:
            if not all(word.attempts):
                self._places.pass_by(app, word.key)
            return False
        known = self._places.advance(app, word.sender, word.key)
        return known and in_order and not self._is_ours(app)

    def _offer_what_is_open(
        self, devices: Sequence[int], message: int, attempts: Mapping[int, int], lease: Lease
    ) -> None:
        """Who connects after the ledger was read gets all of it from its backlog, and nothing twice."""
        self._local.settle(SETTLING)
        self._ledger.flush()
        before = self._registry.connections(devices)
        for found, due in self._engine.read(
            lambda transaction: _open(transaction, sorted(before), message, attempts)
        ):
            now = self._registry.connections(before)
            due = [one for one in due if now.get(one.device.key) == before[one.device.key]]
            if due:
                self._local.offer_again_here(found, due, lease)

    def offer_late(self, message: Message, devices: Sequence[int], patience: float) -> None:
        """A first delivery that came due to devices that are here: in its place among what comes in."""

        def work() -> None:
            self._places.pass_by(message.app.key, message.key)
            self._offer_what_is_open(devices, message.key, {}, self._session.lease)

        self._work_in_turn(work, patience)

    def _work_in_turn(self, work: Callable[[], None], patience: float) -> None:
        """Do this after what has come in by now; waits so long for its end."""
        done = Event()

        def do() -> None:
            try:
                work()
            finally:
                done.set()

        self._waiting.put(do)
        done.wait(patience)


def _open(
    transaction: Transaction, devices: Sequence[int], message: int, attempts: Mapping[int, int]
) -> list[tuple[Message, list[Due]]]:
    """What is still open of this message; before it, what these devices should have had earlier."""
    by_message: dict[int, list[Due]] = {}
    for one in open_until(transaction, devices, message):
        if one.device.attempts == (attempts.get(one.device.key, 0) if one.message == message else 0):
            by_message.setdefault(one.message, []).append(one)
    found = [(messages.find_message(transaction, key), due) for key, due in sorted(by_message.items())]
    return [(message, due) for message, due in found if message is not None]
