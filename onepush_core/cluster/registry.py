"""Who holds which device's socket, written to the database and the bus; the newest connection wins."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import gevent
import structlog
from gevent.event import Event

from onepush_core.cluster.bus import Bus
from onepush_core.cluster.session import Session
from onepush_core.errors import StoreUnavailable
from onepush_core.store import presence
from onepush_core.store.engine import Engine
from onepush_core.store.presence import Former
from onepush_core.store.transaction import Transaction

log = structlog.get_logger("onepush.cluster")
GRACE = 0.05
"""Seconds until what was written to a connection that closed is given to the ledger."""
LONGEST = 30.0
"""Seconds for which it may record what the device got; it answers, or is given up, long before."""
WRITE_PATIENCE = 5.0
AGAIN = 0.5


class Claim:
    """One connection of a device.

    ``written``: the others know of it. ``released``: the connection before is closed, and what it got is on
    record. ``clear``: the same, or this one is closed, too.
    """

    __slots__ = ("clear", "number", "released", "written")

    def __init__(self, number: int) -> None:
        self.number = number
        self.written = Event()
        self.released = Event()
        self.clear = Event()


class Registry:
    """The connections of this worker as the others see them.

    ``ask(worker, connections)``: have these sockets (device to connection) closed there; an Event that is set
    when that is done and recorded, or never will be. ``moved(device)``: another worker holds this device now.
    ``again(device)``: it is about to connect once more, and may have been elsewhere. ``record()``: wait until
    what was written to sockets is in the ledger.
    """

    def __init__(
        self,
        engine: Engine,
        session: Session,
        bus: Bus | None,
        ask: Callable[[int, dict[int, int]], Event],
        moved: Callable[[int], object],
        again: Callable[[int], object],
        record: Callable[[], object],
    ) -> None:
        self._engine = engine
        self._session = session
        self._bus = bus
        self._ask = ask
        self._moved = moved
        self._again = again
        self._record = record
        self._numbers = 0
        self._held: dict[int, int] = {}
        self._since: dict[int, int] = {}
        self._newest = 0
        self._live: set[int] = set()
        self._coming: Counter[int] = Counter()
        self._taken: set[int] = set()
        self._new: dict[int, Claim] = {}
        self._old: dict[int, int] = {}
        self._claims: dict[int, Claim] = {}
        self._unreleased: dict[int, list[Claim]] = {}

    def announce(self, device: int) -> None:
        """A device is about to connect here; waits until that is known. Raises StoreUnavailable.

        Of two workers to which it connects, the one that says so later has it: say it before the device
        learns that it is connected.
        """
        claim = self._begin(device)
        self._coming[device] += 1
        if device in self._live:  # from now on others hand over to it, as if it had been here all the time
            self._again(device)
        try:
            if not claim.written.wait(WRITE_PATIENCE):
                raise StoreUnavailable
        except BaseException:  # whoever waits for the device may lose patience
            self.renounce(device)
            raise

    def renounce(self, device: int) -> None:
        """It was announced and does not come; an older connection, or one that is about to come, stays."""
        self._arrive(device)
        self._drop_unless_here(device)

    def _arrive(self, device: int) -> None:
        """One less is about to connect."""
        self._coming[device] -= 1
        if self._coming[device] < 1:
            del self._coming[device]

    def add(self, device: int) -> None:
        """A device has connected here. ``when_alone`` tells when it is nowhere else any more."""
        was_announced = device in self._coming
        self._arrive(device)
        self._live.add(device)
        if device in self._taken:  # its transport has to know of the connection before it can close it
            gevent.get_hub().loop.run_callback(self._moved, device)
        elif not was_announced or device not in self._held:
            self._begin(device)

    def _begin(self, device: int) -> Claim:
        self._numbers += 1
        self._taken.discard(device)
        if not self._new:
            gevent.get_hub().loop.run_callback(self._write_new)
        # Two connections of a device that come in one turn are announced by one claim, the newer's.
        claim = self._new.get(device)
        if claim is None:
            claim = Claim(self._numbers)
            self._unreleased.setdefault(device, []).append(claim)
        claim.number = self._numbers
        self._claims[device] = self._new[device] = claim
        self._held[device] = self._numbers
        self._note(device)
        if self._bus is not None:
            self._bus.hold(device, self._numbers)
        return claim

    def _note(self, device: int) -> None:
        """What was stored for it before may have been delivered elsewhere."""
        self._since[device] = self._newest = round(time.time() * 1000)

    def discard(self, device: int) -> None:
        """It is not connected here any more, or was announced and does not come."""
        if device not in self._live:
            self._arrive(device)
        self._live.discard(device)
        self._drop_unless_here(device)

    def _drop_unless_here(self, device: int) -> None:
        """Nothing of this device is here; what is about to come holds the claim itself."""
        if device in self._live or device in self._coming:
            return
        self._taken.discard(device)
        self._since.pop(device, None)
        number = self._held.pop(device, None)
        if number is None:
            return
        claim = self._claims.pop(device, None)
        if claim is not None:
            claim.clear.set()
        self._let_go(device, number)

    def disown(self, devices: Iterable[int]) -> None:
        """Others believe these devices to be here: where they are not, that is set right."""
        for device in devices:
            if device not in self._held and device not in self._old:
                self._let_go(device, self._numbers)

    def _let_go(self, device: int, number: int) -> None:
        if not self._old:
            gevent.spawn_later(GRACE, self._write_old)
        self._old[device] = max(number, self._old.get(device, 0))

    def holds(self, device: int) -> bool:
        """Whether the device is connected here, or about to."""
        return device in self._held

    def came_since(self, devices: Iterable[int], at: int) -> list[int]:
        """Those of these devices that may have been elsewhere since, in milliseconds since the epoch.

        They have begun to connect here since, or who held them has released them since, or not yet.
        """
        since, unreleased = self._since, self._unreleased
        if self._newest < at and not unreleased:
            return []
        return [device for device in devices if since.get(device, 0) >= at or device in unreleased]

    def when_alone(self, device: int, callback: Callable[[], object]) -> None:
        """Call back when all know that the device is here, and who held it has recorded what it got.

        Whoever reads the device's backlog before would miss what is accepted in between, or send again what
        it has got.
        """
        claim = self._claims.get(device)
        if claim is None or claim.clear.is_set():
            self._claims.pop(device, None)
            callback()
        else:
            claim.clear.rawlink(lambda _: callback())

    def is_alone(self, device: int) -> bool:
        """Whether that is so by now."""
        claim = self._claims.get(device)
        return claim is None or claim.clear.is_set()

    def connections(self, devices: Iterable[int]) -> dict[int, tuple[int, bool]]:
        """Of those that are here: the number of the connection, and whether the device is nowhere else.

        When either changes, a connection reads its backlog, unless none comes of it.
        """
        held = self._held
        return {device: (held[device], self.is_alone(device)) for device in devices if device in held}

    def find(self, devices: Sequence[int]) -> dict[int, int]:
        """Which worker holds which of these devices (waits). Raises StoreUnavailable.

        Of devices that the bus does not know only the database can tell, and of those that it still believes
        to be here.
        """
        found = (self._bus.holders(devices) if self._bus is not None else None) or {}
        own, held = self._session.lease.key, self._held
        rest = [one for one in devices if one not in found or (found[one] == own and one not in held)]
        if rest:
            found |= self._engine.read(lambda transaction: presence.holders(transaction, rest))
        return found

    def doubt(self) -> dict[int, Claim]:
        """New claims of all devices that are here: nobody reads their backlogs until these are clear."""
        claims = {device: Claim(number) for device, number in self._held.items()}
        self._claims.update(claims)
        return claims

    def claim_again(self, claims: Mapping[int, Claim]) -> None:
        """This worker goes on under a new key: devices that nobody else holds by now stay here."""
        lease = self._session.lease
        numbers = {device: claim.number for device, claim in claims.items()}

        def job(transaction: Transaction) -> list[int] | None:
            return presence.hold_again(transaction, lease.key, numbers) if lease.check(transaction) else None

        def settle(kept: list[int] | None, error: BaseException | None) -> None:
            if error is None and kept is not None:
                self._keep(claims, set(kept))
            elif not lease.lost:
                gevent.spawn_later(AGAIN, self.claim_again, claims)

        self._engine.submit(job, settle)

    def _keep(self, claims: Mapping[int, Claim], kept: set[int]) -> None:
        for device, claim in claims.items():
            if self._bus is not None and device in kept:
                self._bus.hold(device, claim.number)
            if device not in kept and self._held.get(device) == claim.number:
                self._take_away(device)
        clear(claims.values())

    def _write_new(self) -> None:
        new, self._new = self._new, {}
        lease = self._session.lease
        numbers = {device: claim.number for device, claim in new.items()}

        def job(transaction: Transaction) -> dict[int, Former] | None:
            return presence.hold(transaction, lease.key, numbers) if lease.check(transaction) else None

        def settle(former: dict[int, Former] | None, error: BaseException | None) -> None:
            if error is None and former is not None:
                self._settle(new, former)
                return
            if error is not None:
                log.error("connections_not_registered", error=type(error).__name__)
            gevent.spawn_later(AGAIN, self._write_again, new)

        self._engine.submit(job, settle)

    def _write_again(self, new: dict[int, Claim]) -> None:
        """Those of these connections that are still there."""
        there = {device: claim for device, claim in new.items() if self._held.get(device) == claim.number}
        if there and not self._new:
            gevent.get_hub().loop.run_callback(self._write_new)
        self._new = there | self._new
        for device in new.keys() - there.keys():
            self._released(device, new[device])

    def _settle(self, new: dict[int, Claim], former: dict[int, Former]) -> None:
        """Have the older sockets closed."""
        by_worker: dict[int, dict[int, int]] = {}
        for device, claim in new.items():
            claim.written.set()
            if device in former:
                by_worker.setdefault(former[device].worker, {})[device] = former[device].connection
        for worker, connections in by_worker.items():
            gevent.spawn(self._have_closed, worker, connections, {one: new[one] for one in connections})
        for device in new.keys() - former.keys():
            self._release_after(device, new[device])

    def _have_closed(self, worker: int, connections: dict[int, int], claims: Mapping[int, Claim]) -> None:
        self._ask(worker, connections).wait(LONGEST)
        for device, claim in claims.items():
            self._release_after(device, claim)

    def _release_after(self, device: int, claim: Claim) -> None:
        """Nobody else has the device any more when that holds for its earlier connections here, too."""
        earlier = [one for one in self._unreleased.get(device, ()) if one.number < claim.number]
        if earlier:
            earlier[-1].released.rawlink(lambda _: self._released(device, claim))
        else:
            self._released(device, claim)

    def _released(self, device: int, claim: Claim) -> None:
        left = [one for one in self._unreleased.pop(device, ()) if one is not claim]
        if left:
            self._unreleased[device] = left
        if device in self._held:
            self._note(device)
        claim.released.set()
        claim.clear.set()

    def await_released(self, connections: Mapping[int, int]) -> None:
        """Wait until nobody else has what these connections (device to number) or earlier ones took over."""
        gevent.wait([one.released for one in self._open_claims(connections)], timeout=LONGEST)

    def _open_claims(self, connections: Mapping[int, int]) -> list[Claim]:
        return [
            claim
            for device, number in connections.items()
            for claim in self._unreleased.get(device, ())
            if claim.number <= number
        ]

    def close_moved(self, connections: Mapping[int, int]) -> None:
        """Other workers hold these devices now (key to connection): nothing so old is kept here."""
        for device, number in connections.items():
            if self._held.get(device, 0) <= number:
                self._take_away(device)

    def _take_away(self, device: int) -> None:
        """Close its connection here, and that of a handshake that is under way when it comes (``add``)."""
        if device in self._coming:
            self._taken.add(device)
        self._moved(device)

    def _write_old(self) -> None:
        """Once it is on record what these connections got: who reads the ledger next must not miss it.

        The same goes for what the connection before got, wherever that was.
        """
        old, self._old = self._old, {}
        gevent.sleep(GRACE)
        self._record()
        early = {device: number for device, number in old.items() if self._open_claims({device: number})}
        self._give_out({device: number for device, number in old.items() if device not in early})
        self.await_released(early)
        self._give_out(early)

    def _give_out(self, old: Mapping[int, int]) -> None:
        if not old:
            return
        key = self._session.lease.key
        self._engine.keep(lambda transaction: presence.let_go(transaction, key, old))
        if self._bus is not None:
            for device, number in old.items():
                self._bus.let_go(device, number)


def clear(claims: Iterable[Claim]) -> None:
    """Backlogs may be read."""
    for claim in claims:
        claim.clear.set()
