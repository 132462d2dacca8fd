"""Who holds which device's socket, written to the database and the bus; the newest connection wins."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import gevent
import structlog
from gevent.event import Event

from onepush_core.cluster.bus import Bus
from onepush_core.cluster.claims import LONGEST, Claim, Claims, clear
from onepush_core.cluster.departures import Departures
from onepush_core.cluster.session import Session
from onepush_core.errors import StoreUnavailable
from onepush_core.store import presence
from onepush_core.store.engine import Engine
from onepush_core.store.presence import Former
from onepush_core.store.transaction import Transaction

log = structlog.get_logger("onepush.cluster")
KNOWN = 0.25
"""Seconds for which a connection waits at most until the bus knows of it, too."""
WRITE_PATIENCE = 5.0
AGAIN = 0.5


class Registry:
    """The connections of this worker as the others see them.

    ``ask(worker, connections)``: have these sockets (device to connection) closed there; an Event that is set
    when that is done and recorded, or never will be. ``tell(event, device)``: what the transports of this
    worker have to hear (``Events``). ``record()``: wait until what was written to sockets is in the ledger.
    """

    def __init__(
        self,
        engine: Engine,
        session: Session,
        bus: Bus | None,
        ask: Callable[[int, dict[int, int]], Event],
        tell: Callable[[str, int], object],
        record: Callable[[], object],
    ) -> None:
        self._engine = engine
        self._session = session
        self._bus = bus
        self._ask = ask
        self._tell = tell
        self._numbers = 0
        self._held: dict[int, int] = {}
        self._since: dict[int, int] = {}
        self._newest = 0
        self._live: dict[int, int] = {}
        self._coming: Counter[int] = Counter()
        self._taken: set[int] = set()
        self._new: dict[int, Claim] = {}
        self._claims = Claims(self._note_release)
        self._departures = Departures(engine, session, bus, self._claims, record)

    def announce(self, device: int) -> None:
        """A device is about to connect here; waits until that is known. Raises StoreUnavailable.

        Of two workers to which it connects, the one that says so later has it: say it before the device
        learns that it is connected.
        """
        claim = self._begin(device)
        self._coming[device] += 1
        try:
            if device in self._live:  # from now on others hand over to it as if it had been here all the time
                self._tell("device_coming", device)
            if not claim.written.wait(WRITE_PATIENCE):
                raise StoreUnavailable
        except BaseException:  # whoever waits for the device may lose patience
            self.renounce(device)
            raise

    def renounce(self, device: int) -> None:
        """It was announced and does not come.

        An older connection stays if the device was not elsewhere since; so does one that is about to come.
        """
        self._arrive(device)
        if device in self._live and device not in self._coming:
            self._tell("device_stays", device)
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
        if device in self._taken:  # its transport has to know of the connection before it can close it
            gevent.get_hub().loop.run_callback(self._close_here, device)
        elif not was_announced or device not in self._held:
            self._begin(device)
        self._live[device] = self._held.get(device, 0)

    def _begin(self, device: int) -> Claim:
        self._numbers += 1
        self._taken.discard(device)
        if not self._new:
            gevent.get_hub().loop.run_callback(self._write_new)
        # Two connections of a device that come in one turn are announced by one claim, the newer's.
        claim = self._new[device] = self._claims.begin(device, self._numbers, self._new.get(device))
        self._held[device] = self._numbers
        self._note(device)
        if self._bus is not None:
            self._bus.hold(device, self._numbers, partial(self._claims.note_known, device, self._numbers))
        return claim

    def _note(self, device: int) -> None:
        """What was stored for it before may have been delivered elsewhere."""
        self._since[device] = self._newest = round(time.time() * 1000)

    def _note_release(self, device: int) -> None:
        if device in self._held:
            self._note(device)

    def discard(self, device: int) -> None:
        """It is not connected here any more, or was announced and does not come."""
        if device not in self._live:
            self._arrive(device)
        self._live.pop(device, None)
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
        self._claims.drop(device)
        self._departures.add(device, number)

    def disown(self, devices: Iterable[int]) -> None:
        """Others believe these devices to be here: where they are not, that is set right."""
        for device in devices:
            if device not in self._held and device not in self._departures:
                self._departures.add(device, self._numbers)

    def holds(self, device: int) -> bool:
        """Whether the device is connected here, or about to."""
        return device in self._held

    def came_since(self, devices: Iterable[int], at: int) -> list[int]:
        """Those of these devices that may have been elsewhere since, in milliseconds since the epoch.

        They have begun to connect here since, or who held them has released them since, or not yet.
        """
        since, unreleased = self._since, self._claims.unreleased
        if self._newest < at and not unreleased:
            return []
        return [device for device in devices if since.get(device, 0) >= at or device in unreleased]

    def when_alone(self, device: int, callback: Callable[[], object]) -> None:
        """Call back when all know that the device is here, and who held it has recorded what it got.

        Whoever reads the device's backlog before would miss what is accepted in between, or send again what
        it has got.
        """
        self._claims.when_clear(device, callback)

    def is_alone(self, device: int) -> bool:
        """Whether that is so by now."""
        return self._claims.is_clear(device)

    def connections(self, devices: Iterable[int]) -> dict[int, tuple[int, bool]]:
        """Of those that are here: the number of the connection, and whether the device is nowhere else.

        When either changes, a connection reads its backlog, unless none comes of it.
        """
        held = self._held
        return {device: (held[device], self.is_alone(device)) for device in devices if device in held}

    def find(self, devices: Sequence[int]) -> dict[int, int]:
        """Which worker holds which of these devices (waits). Raises StoreUnavailable.

        Of devices that the bus does not know only the database can tell, and of those that it believes to be
        here and are not, or the other way round.
        """
        found = (self._bus.holders(devices) if self._bus is not None else None) or {}
        own, held = self._session.lease.key, self._held
        rest = [one for one in devices if one not in found or (found[one] == own) != (one in held)]
        if rest:
            found |= self._engine.read(lambda transaction: presence.holders(transaction, rest))
        return found

    def doubt(self) -> dict[int, Claim]:
        """New claims of all devices that are here: nobody reads their backlogs until these are clear."""
        return self._claims.doubt(self._held)

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
            self._claims.release(device, new[device])

    def _settle(self, new: dict[int, Claim], former: dict[int, Former]) -> None:
        """Have the older sockets closed, here as well where the device has been elsewhere since."""
        by_worker: dict[int, dict[int, int]] = {}
        for device, (worker, connection) in former.items():
            by_worker.setdefault(worker, {})[device] = connection
            if self._live.get(device, new[device].number) < new[device].number:
                self._close_here(device)
        for worker, connections in by_worker.items():
            gevent.spawn(self._have_closed, worker, connections, {one: new[one] for one in connections})
        rest = {device: claim for device, claim in new.items() if device not in former}
        if self._bus is None or all(claim.known.is_set() for claim in new.values()):
            self._let_in(new, rest)
        else:
            gevent.spawn(self._await_bus, new, rest)

    def _await_bus(self, new: Mapping[int, Claim], rest: Mapping[int, Claim]) -> None:
        """What others store from now on is handed over to this worker."""
        gevent.wait([claim.known for claim in new.values()], timeout=KNOWN)
        self._let_in(new, rest)

    def _let_in(self, new: Mapping[int, Claim], rest: Mapping[int, Claim]) -> None:
        for claim in new.values():
            claim.written.set()
        for device, claim in rest.items():
            self._claims.release_after_earlier(device, claim)

    def _have_closed(self, worker: int, connections: dict[int, int], claims: Mapping[int, Claim]) -> None:
        self._ask(worker, connections).wait(LONGEST)
        gevent.wait([claim.written for claim in claims.values()], timeout=KNOWN)
        for device, claim in claims.items():
            self._claims.release_after_earlier(device, claim)

    def await_released(self, connections: Mapping[int, int]) -> None:
        """Wait until nobody else has what these connections (device to number) or earlier ones took over."""
        self._claims.await_released(connections)

    def close_moved(self, connections: Mapping[int, int]) -> None:
        """Other workers hold these devices now (key to connection): nothing so old is kept here."""
        for device, number in connections.items():
            if self._held.get(device, 0) <= number:
                self._take_away(device)
            elif self._live.get(device, number + 1) <= number:
                self._close_here(device)  # what is about to come is newer

    def _take_away(self, device: int) -> None:
        """Close its connection here, and that of a handshake that is under way when it comes (``add``)."""
        if device in self._coming:
            self._taken.add(device)
        self._close_here(device)

    def _close_here(self, device: int) -> None:
        self._tell("device_moved", device)
