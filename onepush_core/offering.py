"""Running rounds: pages of devices are taken from transport to transport, and the answers recorded.

The transports that are asked first (``tryfirst``) answer within the lane, so that their order is the
order of acceptance. What they leave goes on in a chain beside the lane: one chain for each set of
transports that want the devices, so that a vendor in trouble holds up nobody else's devices.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import gevent

from onepush_core.clock import Clock
from onepush_core.ledger import Ledger
from onepush_core.objects import Device, Message
from onepush_core.outlets import Outlet
from onepush_core.plugins import Plugins
from onepush_core.rounds import Round, Verdict, next_check_back
from onepush_core.store.deliveries import Change
from onepush_core.store.due import Due

LEASE = 120_000
"""Milliseconds for which a chain keeps its devices to itself; after a crash they come due then."""
CHAINS = 16
"""Chains that may wait for one transport; what is more comes due again a little later."""
LATER = 1_000
Chains = dict[tuple[Outlet, ...], list[Device]]


class Offering:
    """Offers devices to outlets, in order."""

    def __init__(self, plugins: Plugins, ledger: Ledger, clock: Clock) -> None:
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

    def find(self, name: str) -> Outlet:
        """The outlet of this transport. Raises KeyError."""
        return self._outlets[name]

    def first_round(self, message: Message, devices: Sequence[Device], last: int | None) -> None:
        """Offer a page for the first time; ``last``: where the next page starts, None: there is none."""
        round_ = Round(message, devices, self._check_back(message))
        verdicts = self._ask_first(round_, devices)
        started, rest = self._share_out(round_)
        left = self._left(round_, started)
        if round_.check_back is not None and not message.transient:
            rest.append(Change(left, attempt=False, due=round_.check_back))
        pending = [device.key for device in devices] if message.need_confirm else list(round_.remaining)
        self._ledger.record(
            message,
            verdicts,
            rest,
            ended=left if message.transient else (),
            page=pending,
            cursor=last,
            dispatched=last is None,
        )
        self._start(round_, started)

    def later_round(self, message: Message, due: Sequence[Due]) -> None:
        """Offer devices again that came due, and were leased for that."""
        asked = {one.device.key: one.asked for one in due}
        again = {one.device.key: one.again for one in due}
        devices = [one.device for one in due]
        round_ = Round(message, devices, self._check_back(message), asked, again)
        verdicts = self._ask_first(round_, devices)
        started, rest = self._share_out(round_)
        rest.append(Change(self._left(round_, started), attempt=False, due=round_.check_back))
        self._ledger.record(message, verdicts, rest)
        self._start(round_, started)

    def _ask_first(self, round_: Round, devices: Sequence[Device]) -> list[Verdict]:
        return [verdict for outlet in self._first for verdict in self._ask(outlet, round_, devices)]

    def _ask(self, outlet: Outlet, round_: Round, devices: Sequence[Device]) -> list[Verdict]:
        offered = round_.offer_to(outlet.name, outlet.bit, devices)
        waited = (self._clock.now() - round_.message.accepted_at) / 1000
        outcomes = outlet.offer(round_.message, offered, waited)
        return round_.accept(outlet.name, outlet.bit, outcomes, self._clock.now())

    def _share_out(self, round_: Round) -> tuple[Chains, list[Change]]:
        """The chains that can start now; of the other devices, that they come due a little later."""
        now = self._clock.now()
        started: Chains = {}
        rest: list[Change] = []
        for outlets, devices in self._chains(round_).items():
            full = outlets[0].waiting >= CHAINS
            wait = LATER if full else LEASE
            keys = [device.key for device in devices if not round_.is_repeating(device.key)]
            rest.append(Change(keys, attempt=False, due=now + wait))
            if not full:
                started[outlets] = devices
        return started, rest

    def _chains(self, round_: Round) -> Chains:
        """The unreached devices, by which of the transports beside the lane want them."""
        chains: Chains = {}
        if not self._beside:
            return chains
        for device in round_.remaining.values():
            wanted = tuple(
                outlet
                for outlet in self._beside
                if round_.may_ask(outlet.name, outlet.bit, device) and outlet.wants(round_.message, device)
            )
            if wanted:
                chains.setdefault(wanted, []).append(device)
        return chains

    def _left(self, round_: Round, chains: Chains) -> list[int]:
        """Devices of which nobody spoke and for which no chain starts."""
        if not chains:
            return round_.unmentioned()
        chained = {device.key for devices in chains.values() for device in devices}
        return [key for key in round_.unmentioned() if key not in chained]

    def _start(self, round_: Round, chains: Chains) -> None:
        for outlets, devices in chains.items():
            outlets[0].waiting += 1
            gevent.spawn(self._run_chain, round_, outlets, devices)

    def _run_chain(self, round_: Round, outlets: tuple[Outlet, ...], devices: Sequence[Device]) -> None:
        try:
            for outlet in outlets:
                verdicts = self._ask(outlet, round_, devices)
                if verdicts:
                    self._ledger.record(round_.message, verdicts)
        finally:
            outlets[0].waiting -= 1
        keys = {device.key for device in devices}
        left = [key for key in round_.unmentioned() if key in keys]
        if round_.message.transient:
            self._ledger.record(round_.message, (), ended=left)
        elif left:
            self._ledger.record(round_.message, (), [Change(left, attempt=False, due=round_.check_back)])

    def _check_back(self, message: Message) -> int | None:
        if not self._checks_back:
            return None
        delays = [
            delay for _, answer in self._plugins.each("check_back", message=message) for delay in answer
        ]
        return next_check_back(message, delays, self._clock.now())
