"""Incoming: pages that other workers hand to this one are offered to the sockets here, in order."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import gevent
import structlog
from gevent.event import AsyncResult
from gevent.queue import SimpleQueue

from onepush_core.cluster.gaps import Doubt, Giver, Numbers, Places
from onepush_core.cluster.lookup import LookUp, Opened
from onepush_core.cluster.registry import Registry
from onepush_core.cluster.session import Session
from onepush_core.cluster.words import HandOver
from onepush_core.errors import OnepushError, StoreUnavailable
from onepush_core.fences import Fence
from onepush_core.ledger import Ledger
from onepush_core.objects import Message
from onepush_core.store import messages
from onepush_core.store.due import Due, due_first, open_among, open_until
from onepush_core.store.engine import Engine
from onepush_core.store.transaction import Transaction
from onepush_core.underway import Underway

log = structlog.get_logger("onepush.cluster")
WAITING = 10_000
"""Pages that may wait here; what is more comes again by itself."""
AT_ONCE = 500
"""Pages that share one look into the ledger."""
TOGETHER = 500
"""Devices whose open deliveries are read at once: each may have dozens, and reading holds up the rest."""
MOVED = 2_000
"""Milliseconds before a page was stored: who has connected since then may have got it elsewhere. The hosts'
clocks may differ by so much.
"""
SETTLING = 3.0
"""Seconds for which frames on their way are waited for before the ledger is asked."""


class Local(Protocol):
    """Offers devices to the transports with connections of this very worker."""

    def offer_here(self, message: Message, keys: Sequence[int], fence: Fence) -> None:
        """A first delivery."""

    def offer_again_here(self, message: Message, due: Sequence[Due], fence: Fence) -> None:
        """Deliveries as they stand in the ledger."""

    @property
    def underway(self) -> Underway:
        """What is being offered."""


class Work(NamedTuple):
    """Something whose turn comes: ``do`` offers at once, or says what has to be looked up before.

    ``done``: whether all of the turn went well.
    """

    do: Callable[[LookUp], object]
    done: AsyncResult[bool] | None = None


class Incoming:
    """Takes pages of other workers, one after the other.

    In order, a first delivery goes straight to the sockets. Where something may be missing, or have been
    delivered before, the ledger tells what is open and goes first, so that the order of each device holds.
    As a page that is missing may have been any device's, that is done once for each device after a gap. So
    it is for devices that were elsewhere when the page was stored, or may have been. What has come in
    meanwhile shares one look into the ledger: the same deliveries come again every few seconds while they
    wait, and a look for each page would take longer than that.
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
        self._waiting: SimpleQueue[Work] = SimpleQueue()

    def put(self, word: HandOver) -> None:
        """Take this page when its turn comes. Does not wait."""
        if self._waiting.qsize() < WAITING:
            self._waiting.put(Work(partial(self._take, word)))

    def offer_late(self, message: Message, devices: Sequence[int]) -> None:
        """A first delivery that came due to devices that are here, when its turn comes. Does not wait."""
        if self._waiting.qsize() >= WAITING:
            return

        def work(look_up: LookUp) -> None:
            self._places.pass_by(message.app.key, message.key)
            look_up.messages[message.key] = message
            look_up.add(message.key, devices)

        self._waiting.put(Work(work))

    def catch_up(self, app: int, until: int, patience: float) -> None:
        """Wait until all that has come in so far is done, and what got lost on the way here, too.

        What is dispatched before that overtakes it; so it is after that patience. Raises StoreUnavailable.
        """
        done: AsyncResult[bool] = AsyncResult()
        self._waiting.put(Work(partial(self._ask_for_missing, app, until), done))
        if done.wait(patience) is False:
            raise StoreUnavailable

    def forget(self, workers: set[int]) -> None:
        """These workers are gone."""
        for worker in workers:
            self._senders.pop(worker, None)

    def forget_all(self) -> None:
        """This worker goes on under a new key, and all count anew for it."""
        self._senders.clear()

    def run(self) -> None:
        """Work for ever."""
        while True:
            self.take_turn()

    def take_turn(self) -> None:
        """Do what waits, at least one piece of work (waits for it)."""
        works = [self._waiting.get()]
        works += [self._waiting.get() for _ in range(min(self._waiting.qsize(), AT_ONCE - 1))]
        lease, look_up = self._session.lease, LookUp()
        went_well = [self._try(partial(work.do, look_up), look_up) for work in works]
        went_well.append(self._try(partial(self._offer_what_is_open, look_up, lease), look_up))
        for work in works:
            if work.done is not None:
                work.done.set(all(went_well))

    def _try(self, do: Callable[[], object], look_up: LookUp) -> bool:
        try:
            do()
        except Exception as error:
            # Its devices come due again; what they are handed until then is not the next for them.
            self._begin_doubt(look_up)
            expected = isinstance(error, OnepushError)
            log.error("hand_over_failed", error=type(error).__name__, exc_info=not expected)
            gevent.sleep(0)
            return False
        return True

    def _begin_doubt(self, look_up: LookUp, app: int | None = None) -> None:
        """Something is missing. ``app``: of one of its messages, if so."""
        self._doubt.begin(time.monotonic(), app)
        look_up.doubt(app)

    def _take(self, word: HandOver, look_up: LookUp) -> None:
        """One page: offer it to those devices to whom it is the next for sure."""
        lease = self._session.lease
        if word.receiver != lease.key or not lease.is_valid():
            return
        in_order = self._is_in_order(word, look_up)
        message = word.message
        if in_order is None or not self._may_leave(message):
            return
        look_up.messages[word.key] = message
        if word.fresh:
            self._take_fresh(word, message, in_order, look_up)
        else:
            self._take_again(word, look_up)
        self._registry.disown(word.devices)

    def _is_in_order(self, word: HandOver, look_up: LookUp) -> bool | None:
        """See ``Numbers.take``; where something is missing the doubt begins."""
        in_order = self._senders[word.sender].take(word.number) if word.number else True
        app, giver = word.app[0], Giver(word.sender, word.term)
        if in_order is False:
            self._begin_doubt(look_up)
        elif in_order and word.fresh and self._places.changes_hands(app, giver):
            self._begin_doubt(look_up, app)
        return in_order

    def _take_again(self, word: HandOver, look_up: LookUp) -> None:
        """What comes again is looked up no further than that; later ones may be missing, too."""
        if not all(word.attempts):
            self._places.pass_by(word.app[0], word.key)
        look_up.add_again(word.key, dict(zip(word.devices, word.attempts, strict=True)))

    def _take_fresh(self, word: HandOver, message: Message, in_order: bool, look_up: LookUp) -> None:
        app, giver = word.app[0], Giver(word.sender, word.term)
        is_newest = self._places.is_newest(app, word.key)
        # Nothing is missing just before it, and nobody else has delivered it.
        is_next = self._places.advance(app, giver, word.key) and in_order and not self._is_ours(app)
        suspects = self._doubt.suspects(app, word.devices, time.monotonic()) if is_next else word.devices
        look_up.add(word.key, suspects)
        if is_newest:
            look_up.clear(app, suspects)
        unsure = look_up.among(word.devices)
        unsure.update(self._registry.came_since(word.devices, word.at - MOVED))
        look_up.add_only(word.key, unsure.difference(suspects))
        if len(unsure) < len(word.devices):
            sure = sorted(set(word.devices).difference(unsure)) if unsure else word.devices
            self._local.offer_here(message, sure, self._session.lease)

    def _ask_for_missing(self, app: int, until: int, look_up: LookUp) -> None:
        open_ = self._engine.read(lambda transaction: due_first(transaction, app, until))
        latest = max((message for message, _ in open_), default=0)
        look_up.add(latest, {device for _, device in open_ if self._registry.holds(device)})

    def _offer_what_is_open(self, look_up: LookUp, fence: Fence) -> None:
        """Who connects after the ledger was read gets all of it from its backlog, and nothing twice."""
        devices = look_up.devices
        for start in range(0, len(devices), TOGETHER):
            self._offer_open_to(devices[start : start + TOGETHER], look_up, fence)
        for app, cleared in look_up.cleared.items():
            self._doubt.clear(app, cleared)

    def _offer_open_to(self, devices: Sequence[int], look_up: LookUp, fence: Fence) -> None:
        underway = self._local.underway
        with underway.watching() as watch:
            # Those that are not in doubt have their backlog from here, and transports know what it brought.
            if any(map(look_up.is_doubtful, devices)):
                underway.settle(SETTLING)
                self._ledger.flush()
            before = self._registry.connections(devices)
            for found, due in self._engine.read(lambda transaction: _open(transaction, before, look_up)):
                keys = {one.device.key for one in due}.difference(watch.offered(found.key))
                now = self._registry.connections(keys)
                same = [one for one in due if now.get(one.device.key) == before[one.device.key]]
                if same:
                    self._local.offer_again_here(found, same, fence)


def _open(transaction: Transaction, here: Mapping[int, object], look_up: LookUp) -> Opened:
    """What is still open of what was asked for, for devices that are here."""
    doubtful = sorted(filter(look_up.is_doubtful, here))
    rows = open_until(transaction, doubtful, look_up.latest)
    if look_up.exact:
        rows += open_among(transaction, sorted(here), look_up.exact)
    asked = {(one.message, one.device.key): one for one in rows if look_up.has_asked_for(one)}
    by_message: dict[int, list[Due]] = {}
    for (key, _), one in sorted(asked.items()):
        by_message.setdefault(key, []).append(one)
    known = look_up.messages | messages.find_messages(
        transaction, sorted(by_message.keys() - look_up.messages.keys())
    )
    return [(known[key], due) for key, due in by_message.items() if key in known]
