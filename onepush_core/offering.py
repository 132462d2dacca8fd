"""Running rounds: pages of devices are taken from transport to transport, and the answers recorded.

The transports that are asked first (``tryfirst``) answer within the lane, so that their order is the
order of acceptance. What they leave goes on in chains beside the lane (``chains.py``).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import structlog

from onepush_core.asking import Asking
from onepush_core.chains import Chains
from onepush_core.clock import Clock
from onepush_core.errors import LeaseLost, OnepushError
from onepush_core.fences import Fence, Term
from onepush_core.ledger import Ledger
from onepush_core.no_transport import NO_TRANSPORT
from onepush_core.objects import Device, Devices, Message
from onepush_core.plugins import Plugins
from onepush_core.rounds import Round, Verdict, dues_of, next_check_back
from onepush_core.store import devices as devices_store
from onepush_core.store import due as due_store
from onepush_core.store.deliveries import Change
from onepush_core.store.due import Due
from onepush_core.store.engine import Engine
from onepush_core.store.trail import OURSELVES
from onepush_core.underway import Underway

log = structlog.get_logger("onepush.offering")
SLOW = 1_000
"""Milliseconds since a page was stored: less than HANDED_OVER."""
CHECK_BACK_DEADLINE = 1.0
"""Seconds that one plugin may take to say when it wants to be asked again; the lane waits for it."""
HANDED_OVER = 3_000
"""Milliseconds after which devices handed to another worker are offered again, unless it has spoken."""


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
        at: int = 0,
    ) -> None:
        """Have these devices (to worker) offered there; ``at``: when that was stored. Raises LeaseLost."""

    def came_since(self, devices: Sequence[int], at: int) -> list[int]:
        """Those of these devices that may have been elsewhere since, in milliseconds since the epoch."""

    def connections(self, devices: Iterable[int]) -> Mapping[int, object]:
        """Of those that are here: which connection; when that changes, it reads its backlog."""

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
        asking: Asking,
        others: Others | None = None,
    ) -> None:
        self._asking = asking
        self._chains = Chains(asking, ledger, clock)
        self._others = others
        self.underway = Underway()
        self._engine = engine
        self._plugins = plugins
        self._ledger = ledger
        self._clock = clock
        self._checks_back = bool(plugins.implementations("check_back"))

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
        at: int = 0,
    ) -> None:
        """Offer a page for the first time.

        ``last``: where the next page starts, None: there is none. ``fresh``: all were added just now.
        ``holders``: see ``find_holders``. ``at``: when the page was stored.
        """
        if keys and not self._asking.outlets:
            self._ledger.note(message, keys, OURSELVES, "waiting", NO_TRANSPORT)
        round_ = Round(message, keys, self._check_back(message), fresh=fresh)
        self._leave_out_reached(round_, at, holders or {}, fence)
        with self.underway.offering(message.key, list(round_.remaining)):
            self._first_round(round_, keys, last, fresh, fence, holders, at)

    def _first_round(
        self,
        round_: Round,
        keys: Sequence[int],
        last: int | None,
        fresh: bool,
        fence: Fence,
        holders: Mapping[int, int] | None,
        at: int,
    ) -> None:
        message, devices = round_.message, Devices(keys, self._load)
        verdicts, rest = self._reach_connected(round_, devices, fresh, fence, holders, at)
        own = dues_of(verdicts)
        try:
            started, waiting = self._chains.share_out(round_, devices, own)
        except Exception:  # the page is to be offered again, but not to those who have got it
            self._ledger.record(message, verdicts)
            raise
        rest += waiting
        left = self._chains.left(round_, started)
        if round_.check_back is not None and not message.transient:
            rest.insert(0, Change(left, attempt=False, due=round_.check_back, own=own))
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
        self._chains.start(round_, started, fence)

    def _leave_out_reached(self, round_: Round, at: int, elsewhere: Mapping[int, int], fence: Fence) -> None:
        """Who may have been elsewhere since the page was stored may have got it there.

        What it got there is on record; transports know what they have brought from its backlog here. In a
        slow step deliveries may have come due and been offered besides. Those whose connections change while
        the ledger is read have it from their backlogs, or come due again; not those that are ``elsewhere`` so
        far, where they go on to get what is handed over. Raises StoreUnavailable.
        """
        came = self._others.came_since(list(round_.remaining), at) if self._others and at else []
        if self._others is None or not came:
            return
        key = round_.message.key
        with self.underway.watching() as watch:
            if time.time() * 1000 - at > SLOW:
                self._ledger.flush()
            before = self._others.connections(came)
            open_ = self._engine.read(lambda transaction: due_store.open_among(transaction, came, [key]))
        now = self._others.connections(came)
        closed = {one.device.key for one in open_ if one.device.attempts}.union(watch.offered(key))
        still = {one.device.key for one in open_}.difference(closed)
        round_.pass_on(set(came).difference(still))
        changed = {one for one in still if now.get(one) != before.get(one)}
        changed.update(self._others.came_since(round_.still_open(set(round_.remaining).difference(came)), at))
        changed.difference_update(elsewhere)
        if changed:
            round_.pass_on(changed)
            self._chains.come_again(round_.message, sorted(changed), fence)

    def _reach_connected(
        self,
        round_: Round,
        devices: Devices,
        fresh: bool,
        fence: Fence,
        holders: Mapping[int, int] | None,
        at: int,
    ) -> tuple[list[Verdict], list[Change]]:
        """Those whose connections are here, and those handed over. Raises StoreUnavailable, LeaseLost.

        Then the page is to be offered again; what has happened is recorded.
        """
        term = Term(fence)
        # First, so that the other workers send at the same time.
        handed = self._hand_over(round_, None if fresh else {}, holders, fence, at)
        verdicts = self._asking.ask_first(round_, devices, fence)
        if not term.holds():  # who was not reached may be connected all the same
            self._ledger.record(round_.message, verdicts)
            raise LeaseLost
        return verdicts, handed

    def later_round(self, message: Message, due: Sequence[Due], fence: Fence) -> None:
        """Offer devices again that came due, and were leased for that."""
        late = self._others.offer_late(message, due) if self._others else []
        if late:
            self._chains.come_again(message, late, fence)
            due = [one for one in due if one.device.key not in late]
        if due:
            with self.underway.offering(message.key, [one.device.key for one in due]):
                self._later_round(message, due, fence)

    def _later_round(self, message: Message, due: Sequence[Due], fence: Fence) -> None:
        round_, devices = self._round_of(message, due)
        term = Term(fence)
        verdicts = self._asking.ask_first(round_, devices, fence)
        try:
            handed = self._hand_over(round_, devices.attempts, None, fence)
        except OnepushError as error:
            log.error("hand_over_failed", message=message.id, error=type(error).__name__)
            handed = None
        if handed is None or not term.holds():
            self._ledger.record(message, verdicts)
            self._chains.come_again(message, list(round_.remaining), fence)
            return
        own = dues_of(verdicts)
        started, rest = self._chains.share_out(round_, devices, own)
        # First, so that it does not undo the wait for a place in a full chain.
        left = self._chains.left(round_, started)
        rest.insert(0, Change(left, attempt=False, due=round_.check_back, own=own))
        rest += handed + self._unserved(message, devices.keys)
        self._ledger.record(message, verdicts, rest, fence=fence)
        self._chains.start(round_, started, fence)

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
        with self.underway.offering(message.key, keys):
            self._offer_here(
                Round(message, keys, self._check_back(message)), Devices(keys, self._load), fence
            )

    def offer_again_here(self, message: Message, due: Sequence[Due], fence: Fence) -> None:
        """The same for deliveries as they stand in the ledger."""
        with self.underway.offering(message.key, [one.device.key for one in due]):
            self._offer_here(*self._round_of(message, due), fence)

    def _offer_here(self, round_: Round, devices: Devices, fence: Fence) -> None:
        """Whom no connection takes comes due again; the worker that asked has seen to that."""
        verdicts = self._asking.ask_first(round_, devices, fence)
        self._ledger.record(round_.message, verdicts)

    def _hand_over(
        self,
        round_: Round,
        attempts: Mapping[int, int] | None,
        holders: Mapping[int, int] | None,
        fence: Fence,
        at: int = 0,
    ) -> list[Change]:
        """Hand those whose connections another worker holds to that one. Raises OnepushError."""
        if self._others is None or not round_.remaining:
            return []
        missing = round_.unrepeated()
        if not missing:
            return []
        known = self.find_holders(missing) if holders is None else holders
        handed = [key for key in missing if key in known]
        if not handed:
            return []
        self._others.hand_over(round_.message, {key: known[key] for key in handed}, attempts, fence, at)
        round_.pass_on(handed)
        due = self._clock.now() + HANDED_OVER
        return [Change(handed, attempt=False, due=due, untouched=True)]

    # --- asking ------------------------------------------------------------------------------

    def _unserved(self, message: Message, keys: Sequence[int]) -> list[Change]:
        """Without any transport the devices are leased for good: the next start offers them again."""
        if self._asking.outlets or message.transient:
            return []
        return [Change(keys, attempt=False, due=message.expires_at, lease=True)]

    def _load(self, keys: Sequence[int]) -> list[Device]:
        return self._engine.read(lambda transaction: devices_store.by_keys(transaction, keys))

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
