"""Cluster: one worker's part in an installation of several. Puts the parts together and answers words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import NamedTuple

import gevent
import structlog
from gevent.event import Event

from onepush_core.cluster.bus import Bus
from onepush_core.cluster.claims import Claim, clear
from onepush_core.cluster.exchange import Exchange
from onepush_core.cluster.incoming import SETTLING, Incoming, Local
from onepush_core.cluster.outgoing import Outgoing
from onepush_core.cluster.ownership import Lanes, Ownership
from onepush_core.cluster.registry import Registry
from onepush_core.cluster.session import Lease, Session
from onepush_core.cluster.words import HandOver, LetGo, Notice, Released, Wake, Word
from onepush_core.errors import LeaseLost, OnepushError, StoreUnavailable
from onepush_core.fences import Fence
from onepush_core.ledger import Ledger
from onepush_core.objects import Message
from onepush_core.store.due import Due
from onepush_core.store.engine import Engine
from onepush_core.store.transaction import Transaction

log = structlog.get_logger("onepush.cluster")
CATCHING_UP = 30.0
"""Seconds for which a lane that was taken over waits at most for what came in before."""
AGAIN = 0.5
FORGOTTEN = 60.0
"""Seconds after which nobody waits for an answer any more."""


class Asked(NamedTuple):
    """A question to a worker; ``answered`` is set by its answer or its death."""

    worker: int
    answered: Event


class Cluster:
    """``tell(event, key)``: called with what happened at another worker.

    ``own``: an engine for leases and presence alone, which are not to wait for what the gateway writes.
    """

    def __init__(
        self,
        engine: Engine,
        own: Engine,
        lease: float,
        bus: Bus | None,
        tell: Callable[[str, int], object],
    ) -> None:
        self._engine = engine
        self._own = own
        self._bus = bus
        self._tell = tell
        self._tickets = count(1)
        self._asked: dict[int, Asked] = {}
        self._letting_go: dict[tuple[int, int], Event] = {}
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self.session = Session(own, lease, self._lapsed, self._lost, self._seen)
        self.exchange = Exchange(engine, self.session, bus, self._hear)
        self.registry = Registry(own, self.session, bus, self._ask_to_let_go, tell, self._record)
        self.outgoing = Outgoing(self.session, self.registry, self.exchange, self._term)

    def attach(
        self, lanes: Lanes, local: Local, ledger: Ledger, may_leave: Callable[[Message], bool]
    ) -> None:
        """Work with these parts of the gateway."""
        self._local = local
        self._ledger = ledger
        self.ownership = Ownership(self._engine, self.session, lanes, self._wake)
        self._incoming = Incoming(
            self._engine, self.session, self.registry, ledger, local, may_leave, self.ownership.has
        )

    # --- life --------------------------------------------------------------------------------

    def start(self, listen: Callable[[], None]) -> None:
        """Take part. ``listen`` rings (``ring``) when there is mail, for ever. Raises StoreUnavailable."""
        self.session.open()
        self.exchange.start()
        loops = (self.session.run, self.exchange.run, self.ownership.run, self._incoming.run, listen)
        self._greenlets = [gevent.spawn(loop) for loop in loops]

    def ring(self, worker: int) -> None:
        """There is mail for a worker."""
        if worker == self.session.lease.key:
            self.exchange.ring()

    def rest(self) -> None:
        """Dispatch no more: what is not done is anybody's."""
        self.ownership.stop()

    def close(self) -> None:
        """Leave; everything this worker did must have been recorded."""
        gevent.killall(self._greenlets, timeout=1.0)
        self.session.close()
        self._own.close()
        if self._bus is not None:
            self._bus.close()

    def fence(self) -> Lease:
        """The fence of what is begun now."""
        return self.session.lease

    def probe(self) -> None:
        """Whether this worker is heard and trusted by the others. Raises LeaseLost, BusUnavailable."""
        if not self.session.lease.is_valid():
            raise LeaseLost
        if self._bus is not None:
            self._bus.probe()

    # --- for the gateway ---------------------------------------------------------------------

    def find_holders(self, devices: Sequence[int]) -> dict[int, int]:
        """Which other worker holds which of these devices (waits). Raises StoreUnavailable."""
        return self.outgoing.find_holders(devices)

    def hand_over(
        self,
        message: Message,
        holders: Mapping[int, int],
        attempts: Mapping[int, int] | None,
        fence: Fence,
        at: int = 0,
    ) -> None:
        """Have these devices (to worker) offered there. Does not wait. Raises LeaseLost."""
        self.outgoing.hand_over(message, holders, attempts, fence, at)

    def came_since(self, devices: Sequence[int], at: int) -> list[int]:
        """Those of these devices that may have been elsewhere since, in milliseconds since the epoch."""
        return self.registry.came_since(devices, at)

    def connections(self, devices: Iterable[int]) -> Mapping[int, object]:
        """Of those that are here: which connection; when that changes, it reads its backlog."""
        return self.registry.connections(devices)

    def offer_late(self, message: Message, due: Sequence[Due]) -> list[int]:
        """Have first deliveries that came due offered to devices that are here, in their turn.

        Does not wait; which devices these are.
        """
        first = [one.device.key for one in due if not one.device.attempts]
        here = list(filter(self.registry.holds, first))
        if here:
            self._incoming.offer_late(message, here)
        return here

    def catch_up(self, app: int, until: int) -> None:
        """Deliver what others have handed to this worker before it takes their place (waits).

        ``until``: milliseconds since the epoch by which a page that got lost comes due again.
        """
        self.exchange.empty_box()
        self._incoming.catch_up(app, until, CATCHING_UP)

    def check_claim(self, device: int) -> None:
        """Raises StoreUnavailable while the device may be elsewhere, too; LeaseLost."""
        if not self.registry.is_alone(device):
            raise StoreUnavailable
        if not self.session.lease.is_valid():
            raise LeaseLost

    def post(self, transaction: Transaction, event: str, key: int) -> None:
        """Let all other workers know, if the transaction is committed."""
        self.exchange.post_all(transaction, Notice(event, key))

    # --- words of others ---------------------------------------------------------------------

    def _hear(self, word: Word) -> None:
        match word:
            case HandOver():
                self._incoming.put(word)
            case Wake():
                self.ownership.woken(word.apps)
            case LetGo():
                gevent.spawn(self._let_go, word)
            case Released():
                self._answer(word.ticket)
            case Notice():
                self._tell(word.event, word.key)

    def _term(self, app: int) -> int:
        return self.ownership.term(app)

    def _wake(self, worker: int, apps: list[int]) -> None:
        self.exchange.tell(worker, Wake(apps))

    def _ask_to_let_go(self, worker: int, devices: dict[int, int]) -> Event:
        """Over the bus, which is fast, and through the database: nothing may go to these any more."""
        ticket = next(self._tickets)
        answered = Event()
        self._asked[ticket] = Asked(worker, answered)
        gevent.spawn_later(FORGOTTEN, self._asked.pop, ticket, None)
        for surely in (False, True) if self._bus is not None else (True,):
            self._say(worker, LetGo(self.session.lease.key, ticket, devices, surely), surely)
        return answered

    def _say(self, worker: int, word: Word, surely: bool) -> None:
        """By a way on which words may get lost, or through the database."""
        say = self.exchange.post if surely else self.exchange.tell
        say(worker, word)

    def _answer(self, ticket: int) -> None:
        asked = self._asked.pop(ticket, None)
        if asked is not None:
            asked.answered.set()

    def _let_go(self, word: LetGo) -> None:
        """Close the sockets, and answer when what was written to them is recorded.

        The word comes twice, by two ways, and is answered by both.
        """
        question = (word.worker, word.ticket)
        done = self._letting_go.get(question)
        if done is None:
            done = self._letting_go[question] = Event()
            gevent.spawn_later(FORGOTTEN, self._letting_go.pop, question, None)
            self._close_moved(word)
            done.set()
        if done.wait(FORGOTTEN):
            self._say(word.worker, Released(word.ticket), word.surely)

    def _close_moved(self, word: LetGo) -> None:
        self.registry.close_moved(word.devices)
        self._settle()
        self.registry.close_moved(word.devices)
        self.registry.await_released(word.devices)
        self._flush()

    def _settle(self) -> None:
        self._local.underway.settle(SETTLING)

    def _record(self) -> None:
        """Wait until what was written to sockets is in the ledger."""
        self._settle()
        self._flush()

    def _flush(self) -> None:
        while True:
            try:
                return self._ledger.flush()
            except OnepushError:
                gevent.sleep(AGAIN)

    # --- deaths ------------------------------------------------------------------------------

    def _seen(self, living: set[int], gone: set[int]) -> None:
        self.ownership.bury(gone)
        self.outgoing.forget(gone)
        self._incoming.forget(gone)
        if self._bus is not None:
            self._bus.expect(living)
            for worker in gone:
                self._bus.forget(worker)

        for ticket, asked in list(self._asked.items()):
            if asked.worker in gone:
                self._answer(ticket)

    def _lost(self) -> None:
        """The others gave this worker up: it goes on as a new one."""
        self.ownership.abandon()
        self.outgoing.forget_all()
        self._incoming.forget_all()
        self.exchange.start()
        gevent.spawn(self._start_over, self.registry.claim_again)

    def _lapsed(self) -> None:
        """It was silent for a while in which it was to speak."""
        gevent.spawn(self._start_over, lambda claims: clear(claims.values()))

    def _start_over(self, proceed: Callable[[dict[int, Claim]], object]) -> None:
        """What sockets have in hand, and what came in between, is found out about in the ledger."""
        claims = self.registry.doubt()
        self._tell("worker_paused", self.session.lease.key)
        self._record()
        proceed(claims)
