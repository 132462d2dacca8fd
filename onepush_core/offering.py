"""Running rounds: pages of devices are taken from transport to transport, and the answers recorded.

The transports that are asked first (``tryfirst``) answer within the lane, so that their order is the
order of acceptance. What they leave goes on in a chain beside the lane: one chain for each set of
transports that want the devices, so that a vendor in trouble holds up nobody else's devices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import gevent
import structlog
from gevent.event import Event

from onepush_core.clock import Clock
from onepush_core.errors import LeaseLost, OnepushError
from onepush_core.fences import Fence, Term
from onepush_core.ledger import Ledger
from onepush_core.no_transport import NO_TRANSPORT
from onepush_core.objects import Device, Devices, Message, Outcomes
from onepush_core.outlets import Outlet
from onepush_core.plugins import Plugins
from onepush_core.rounds import Round, Verdict, gather, next_check_back
from onepush_core.store import devices as devices_store
from onepush_core.store.deliveries import Change
from onepush_core.store.due import Due
from onepush_core.store.engine import Engine
from onepush_core.store.trail import OURSELVES

log = structlog.get_logger("onepush.offering")
LEASE = 120_000
"""Milliseconds for which a chain keeps its devices to itself; after a crash they come due then."""
MARGIN = 1_000
"""Milliseconds before the end of a lease by which its last call is over."""
CHAINS = 16
"""Chains that may wait for one transport; what is more comes due again a little later."""
LATER = 1_000
MOST = 1_000
CHECK_BACK_DEADLINE = 1.0
"""Seconds that one plugin may take to say when it wants to be asked again; the lane waits for it."""
HANDED_OVER = 3_000
"""Milliseconds after which devices handed to another worker are offered again, unless it has spoken."""
Chains = dict[tuple[Outlet, ...], Devices]


class Others(Protocol):
    """The other workers, as far as a round has to do with them."""

    def find_holders(self, devices: Sequence[int]) -> dict[int, int]:
        """Which of them holds the connection of which of these devices. Raises StoreUnavailable."""

    def hand_over(
        self,
        message: Message,
        holders: Mapping[int, int],
        attempts: Mapping[int, int] | None,
        fence: Fence,
    ) -> None:
        """Have these devices (to worker) offered there. Does not wait. Raises LeaseLost."""

    def offer_late(self, message: Message, due: Sequence[Due]) -> list[int]:
        """Have first deliveries that came due offered to devices that are here, in their turn.

        Does not wait; which devices these are.
        """


class Offering:
    """Offers devices to outlets, in order."""

    def __init__(
        self,
        engine: Engine,
        plugins: Plugins,
        ledger: Ledger,
        clock: Clock,
        is_cancelled: Callable[[Message], bool],
        others: Others | None = None,
    ) -> None:
        self._is_cancelled = is_cancelled
        self._others = others
        self._running: set[Event] = set()
        self._engine = engine
        self._plugins = plugins
        self._ledger = ledger
        self._clock = clock
        self._checks_back = bool(plugins.implementations("check_back"))
        self.open(())

    def open(self, outlets: Iterable[Outlet]) -> None:
        """From now on offer to these, in this order."""
        self._outlets = {outlet.name: outlet for outlet in outlets}
        self._first = [outlet for outlet in self._outlets.values() if outlet.first]
        self._beside = [outlet for outlet in self._outlets.values() if not outlet.first]
        # Time for some calls of the slowest, one after the other.
        self._lease = max([LEASE, *(round(outlet.deadline * 4000) for outlet in self._beside)])

    def idle(self) -> bool:
        """True when no chain is under way."""
        return not any(outlet.waiting for outlet in self._outlets.values())

    def find(self, name: str) -> Outlet:
        """The outlet of this transport. Raises KeyError."""
        return self._outlets[name]

    def first_for(self, message: Message, device: Device, online: bool) -> str | None:
        """The transport that would try first to reach a device: one of the lane only if it is online."""
        asked = self._outlets.values() if online else self._beside
        return next((outlet.name for outlet in asked if outlet.wants(message, device)), None)

    def find_holders(self, keys: Sequence[int]) -> Mapping[int, int]:
        """Which other worker holds the connection of which of these devices. Raises StoreUnavailable."""
        return self._others.find_holders(keys) if self._others and keys else {}

    def first_round(
        self,
        message: Message,
        keys: Sequence[int],
        last: int | None,
        fresh: bool,
        fence: Fence,
        holders: Mapping[int, int] | None = None,
    ) -> None:
        """Offer a page for the first time.

        ``last``: where the next page starts, None: there is none. ``fresh``: all were added just now.
        ``holders``: see ``find_holders``.
        """
        if keys and not self._outlets:
            self._ledger.note(message, keys, OURSELVES, "waiting", NO_TRANSPORT)
        with self._recorded():
            self._first_round(message, keys, last, fresh, fence, holders)

    def _first_round(
        self,
        message: Message,
        keys: Sequence[int],
        last: int | None,
        fresh: bool,
        fence: Fence,
        holders: Mapping[int, int] | None,
    ) -> None:
        round_ = Round(message, keys, self._check_back(message), fresh=fresh)
        devices = Devices(keys, self._load)
        verdicts, rest = self._reach_connected(round_, devices, fresh, fence, holders)
        started, waiting = self._share_out(round_, devices)
        rest += waiting
        left = self._left(round_, started)
        if round_.check_back is not None and not message.transient:
            rest.insert(0, Change(left, attempt=False, due=round_.check_back))
        self._ledger.record(
            message,
            verdicts,
            rest + self._unserved(message, keys),
            fence=fence,
            ended=left if message.transient else (),
            page=keys if message.need_confirm else list(round_.remaining),
            cursor=last,
            dispatched=last is None,
        )
        self._start(round_, started, fence)

    def _reach_connected(
        self,
        round_: Round,
        devices: Devices,
        fresh: bool,
        fence: Fence,
        holders: Mapping[int, int] | None,
    ) -> tuple[list[Verdict], list[Change]]:
        """Those whose connections are here, and those handed over. Raises StoreUnavailable, LeaseLost.

        Then the page is to be offered again; what has happened is recorded.
        """
        term = Term(fence)
        # First, so that the other workers send at the same time.
        handed = self._hand_over(round_, None if fresh else {}, holders, fence)
        verdicts = self._ask_first(round_, devices, fence)
        if not term.holds():  # who was not reached may be connected all the same
            self._ledger.record(round_.message, verdicts)
            raise LeaseLost
        return verdicts, handed

    def later_round(self, message: Message, due: Sequence[Due], fence: Fence) -> None:
        """Offer devices again that came due, and were leased for that."""
        late = self._others.offer_late(message, due) if self._others else []
        if late:
            self._come_again(message, late, fence)
            due = [one for one in due if one.device.key not in late]
        if due:
            with self._recorded():
                self._later_round(message, due, fence)

    def _later_round(self, message: Message, due: Sequence[Due], fence: Fence) -> None:
        round_, devices = self._round_of(message, due)
        term = Term(fence)
        verdicts = self._ask_first(round_, devices, fence)
        try:
            handed = self._hand_over(round_, devices.attempts, None, fence)
        except OnepushError as error:
            log.error("hand_over_failed", message=message.id, error=type(error).__name__)
            handed = None
        if handed is None or not term.holds():
            self._ledger.record(message, verdicts)
            self._come_again(message, list(round_.remaining), fence)
            return
        started, rest = self._share_out(round_, devices)
        # First, so that it does not undo the wait for a place in a full chain.
        rest.insert(0, Change(self._left(round_, started), attempt=False, due=round_.check_back))
        rest += handed + self._unserved(message, devices.keys)
        self._ledger.record(message, verdicts, rest, fence=fence)
        self._start(round_, started, fence)

    def _come_again(self, message: Message, keys: Sequence[int], fence: Fence) -> None:
        """These could not be dealt with now; a little later they can."""
        change = Change(keys, attempt=False, due=self._clock.now() + LATER, untouched=True)
        self._ledger.record(message, (), [change], fence=fence)

    def _round_of(self, message: Message, due: Sequence[Due]) -> tuple[Round, Devices]:
        """A round for deliveries as they stand in the ledger."""
        due = sorted(due, key=lambda one: one.device.key)
        asked = {one.device.key: one.asked for one in due}
        again = {one.device.key: one.again for one in due}
        devices = Devices.of([one.device for one in due])
        return Round(message, devices.keys, self._check_back(message), asked, again), devices

    # --- several workers ---------------------------------------------------------------------

    def offer_here(self, message: Message, keys: Sequence[int], fence: Fence) -> None:
        """A first delivery, handed over by another worker, to transports with connections here."""
        with self._recorded():
            self._offer_here(
                Round(message, keys, self._check_back(message)), Devices(keys, self._load), fence
            )

    def offer_again_here(self, message: Message, due: Sequence[Due], fence: Fence) -> None:
        """The same for deliveries as they stand in the ledger."""
        with self._recorded():
            self._offer_here(*self._round_of(message, due), fence)

    def _offer_here(self, round_: Round, devices: Devices, fence: Fence) -> None:
        """Whom no connection takes comes due again; the worker that asked has seen to that."""
        verdicts = self._ask_first(round_, devices, fence)
        self._ledger.record(round_.message, verdicts)

    def _hand_over(
        self,
        round_: Round,
        attempts: Mapping[int, int] | None,
        holders: Mapping[int, int] | None,
        fence: Fence,
    ) -> list[Change]:
        """Hand those whose connections another worker holds to that one. Raises OnepushError."""
        if self._others is None or not round_.remaining:
            return []
        missing = round_.unrepeated()
        if not missing:
            return []
        known = self.find_holders(missing) if holders is None else holders
        handed = sorted(known.keys() & set(missing))
        if not handed:
            return []
        self._others.hand_over(round_.message, {key: known[key] for key in handed}, attempts, fence)
        round_.pass_on(handed)
        due = self._clock.now() + HANDED_OVER
        return [Change(handed, attempt=False, due=due, untouched=True)]

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """What runs within is waited for by ``settle``."""
        done = Event()
        self._running.add(done)
        try:
            yield
        finally:
            self._running.discard(done)
            done.set()

    def settle(self, patience: float) -> None:
        """Wait until what is being offered to connections now is handed to the ledger."""
        gevent.wait(list(self._running), timeout=patience)

    # --- asking ------------------------------------------------------------------------------

    def _unserved(self, message: Message, keys: Sequence[int]) -> list[Change]:
        """Without any transport the devices are leased for good: the next start offers them again."""
        if self._outlets or message.transient:
            return []
        return [Change(keys, attempt=False, due=message.expires_at, lease=True)]

    def _load(self, keys: Sequence[int]) -> list[Device]:
        return self._engine.read(lambda transaction: devices_store.by_keys(transaction, keys))

    def _ask_first(self, round_: Round, devices: Devices, fence: Fence) -> list[Verdict]:
        """Ask the transports of the lane; the answers of all calls together, which costs least to write."""
        verdicts: list[Verdict] = []
        for outlet in self._first:
            outcomes = [one for part in self._parts(outlet, round_, devices, fence) for one in part]
            verdicts += round_.accept(outlet.name, outlet.bit, gather(outcomes), self._clock.now())
        return verdicts

    def _parts(
        self, outlet: Outlet, round_: Round, devices: Devices, fence: Fence, latest: int | None = None
    ) -> Iterator[list[Outcomes]]:
        """What a transport answers, call by call; after ``latest`` no call is begun."""
        keys = round_.open_to(outlet.bit, devices.keys)
        for start in range(0, len(keys), MOST):
            part = keys[start : start + MOST]
            offered = devices if len(part) == len(devices) else devices.only(part)
            waited = (self._clock.now() - round_.message.accepted_at) / 1000
            yield outlet.offer(
                round_.message, offered, waited, lambda: fence.is_valid() and self._is_in_time(latest)
            )

    def _is_in_time(self, latest: int | None) -> bool:
        return latest is None or self._clock.now() <= latest

    def may_leave(self, message: Message) -> bool:
        """False when the message has expired or was cancelled."""
        return self._clock.now() < message.expires_at and not self._is_cancelled(message)

    def _share_out(self, round_: Round, devices: Devices) -> tuple[Chains, list[Change]]:
        """The chains that can start now; of the other devices, that they come due a little later."""
        now = self._clock.now()
        started: Chains = {}
        rest: list[Change] = []
        for outlets, chained in self._chains(round_, devices).items():
            full = outlets[0].waiting >= CHAINS
            wait = LATER if full else self._lease
            keys = [key for key in chained.keys if not round_.is_repeating(key)]
            rest.append(Change(keys, attempt=False, due=now + wait, lease=not full))
            if not full:
                started[outlets] = chained
        return started, rest

    def _chains(self, round_: Round, devices: Devices) -> Chains:
        """The unreached devices, by which of the transports beside the lane want them."""
        if not self._beside or not round_.remaining:
            return {}
        chains: dict[tuple[Outlet, ...], list[Device]] = {}
        for device in devices.only(list(round_.remaining)):
            wanted = tuple(outlet for outlet in self._beside if self._concerns(outlet, round_, device))
            if wanted:
                chains.setdefault(wanted, []).append(device)
        return {wanted: Devices.of(chain) for wanted, chain in chains.items()}

    def _concerns(self, outlet: Outlet, round_: Round, device: Device) -> bool:
        return round_.may_ask(outlet.bit, device.key) and outlet.wants(round_.message, device)

    def _left(self, round_: Round, chains: Chains) -> list[int]:
        """Devices of which nobody spoke and for which no chain starts."""
        chained = {key for devices in chains.values() for key in devices.keys}
        return [key for key in round_.unmentioned() if key not in chained]

    def _start(self, round_: Round, chains: Chains, fence: Fence) -> None:
        lease_end = self._clock.now() + self._lease - MARGIN
        for outlets, devices in chains.items():
            outlets[0].waiting += 1
            gevent.spawn(self._run_chain, round_, outlets, devices, lease_end, fence)

    def _run_chain(
        self, round_: Round, outlets: tuple[Outlet, ...], devices: Devices, lease_end: int, fence: Fence
    ) -> None:
        try:
            for outlet in outlets:
                latest = lease_end - round(outlet.deadline * 1000)
                for outcomes in self._parts(outlet, round_, devices, fence, latest):
                    verdicts = round_.accept(outlet.name, outlet.bit, outcomes, self._clock.now())
                    self._ledger.record(round_.message, verdicts, fence=fence)
                if not fence.is_valid():
                    self._come_again(round_.message, round_.still_open(devices.keys), fence)
                    return
                if not self._is_in_time(latest):
                    return  # who is left comes due when the lease ends; another chain goes on
        finally:
            outlets[0].waiting -= 1
        keys = set(devices.keys)
        left = [key for key in round_.unmentioned() if key in keys]
        if round_.message.transient:
            self._ledger.record(round_.message, (), fence=fence, ended=left)
        elif left:
            changes = [Change(left, attempt=False, due=round_.check_back)]
            self._ledger.record(round_.message, (), changes, fence=fence)

    def _check_back(self, message: Message) -> int | None:
        if not self._checks_back:
            return None
        answers = self._plugins.each("check_back", CHECK_BACK_DEADLINE, message=message)
        delays = [delay for name, answer in answers for delay in _read_delays(name, answer)]
        return next_check_back(message, delays, self._clock.now())


def _read_delays(plugin: str, answer: Iterable[float]) -> list[float]:
    """What a plugin answered to ``check_back``; nothing when it makes no sense."""
    try:
        return [float(delay) for delay in answer]
    except Exception as error:
        log.error("hook_raised", hook="check_back", plugin=plugin, error=type(error).__name__)
        return []
