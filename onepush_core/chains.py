"""Chains: what the transports of the lane leave is offered to the others, one after the other, beside it.

One chain for each set of transports that want the devices, so that one in trouble holds up nobody else's.
"""

from __future__ import annotations

from collections.abc import Sequence

import gevent

from onepush_core.asking import Asking
from onepush_core.clock import Clock
from onepush_core.fences import Fence
from onepush_core.ledger import Ledger
from onepush_core.objects import Device, Devices, Message
from onepush_core.outlets import Outlet
from onepush_core.rounds import Round, Verdict, dues_of
from onepush_core.store.deliveries import Change

MARGIN = 1_000
"""Milliseconds before the end of a lease by which its last call is over."""
MOST = 16
"""Chains that may wait for one transport; what is more comes due again a little later."""
LATER = 1_000
Shares = dict[tuple[Outlet, ...], Devices]
"""Who is offered to which transports."""


class Chains:
    """Starts chains, and records what came of them."""

    def __init__(self, asking: Asking, ledger: Ledger, clock: Clock) -> None:
        self._asking = asking
        self._ledger = ledger
        self._clock = clock

    def share_out(self, round_: Round, devices: Devices, own: Sequence[int]) -> tuple[Shares, list[Change]]:
        """The chains that can start now; of the other devices, that they come due a little later.

        ``own``: see ``Change``.
        """
        now = self._clock.now()
        started: Shares = {}
        rest: list[Change] = []
        for outlets, chained in self._sets(round_, devices).items():
            full = outlets[0].waiting >= MOST
            wait = LATER if full else self._asking.lease
            keys = [key for key in chained.keys if not round_.is_repeating(key)]
            rest.append(Change(keys, attempt=False, due=now + wait, lease=not full, own=own))
            if not full:
                started[outlets] = chained
        return started, rest

    def _sets(self, round_: Round, devices: Devices) -> Shares:
        """The unreached devices, by which of the transports beside the lane want them."""
        if not self._asking.beside or not round_.remaining:
            return {}
        sets: dict[tuple[Outlet, ...], list[Device]] = {}
        for device in devices.only(list(round_.remaining)):
            wanted = tuple(outlet for outlet in self._asking.beside if self._concerns(outlet, round_, device))
            if wanted:
                sets.setdefault(wanted, []).append(device)
        return {wanted: Devices.of(chain) for wanted, chain in sets.items()}

    def _concerns(self, outlet: Outlet, round_: Round, device: Device) -> bool:
        return round_.may_ask(outlet.bit, device.key) and outlet.wants(round_.message, device)

    def left(self, round_: Round, shares: Shares) -> list[int]:
        """Devices of which nobody spoke and for which no chain starts."""
        chained = {key for devices in shares.values() for key in devices.keys}
        return [key for key in round_.unmentioned() if key not in chained]

    def start(self, round_: Round, shares: Shares, fence: Fence) -> None:
        """Begin the chains of one round. Does not wait."""
        lease_end = self._clock.now() + self._asking.lease - MARGIN
        for outlets, devices in shares.items():
            outlets[0].waiting += 1
            gevent.spawn(self._run_chain, round_, outlets, devices, lease_end, fence)

    def _run_chain(
        self, round_: Round, outlets: tuple[Outlet, ...], devices: Devices, lease_end: int, fence: Fence
    ) -> None:
        own: list[int] = []
        try:
            for outlet in outlets:
                latest = lease_end - round(outlet.deadline * 1000)
                for outcomes in self._asking.calls(outlet, round_, devices, fence, latest):
                    verdicts = round_.accept(outlet.name, outlet.bit, outcomes, self._clock.now())
                    self._ledger.record(round_.message, with_own(verdicts, own), fence=fence)
                    own += dues_of(verdicts)
                if not fence.is_valid():
                    self.come_again(round_.message, round_.still_open(devices.keys), fence)
                    return
                if not self._asking.is_in_time(latest):
                    return  # who is left comes due when the lease ends; another chain goes on
        finally:
            outlets[0].waiting -= 1
        keys = set(devices.keys)
        left = [key for key in round_.unmentioned() if key in keys]
        if round_.message.transient:
            self._ledger.record(round_.message, (), fence=fence, ended=left)
        elif left:
            changes = [Change(left, attempt=False, due=round_.check_back, own=own)]
            self._ledger.record(round_.message, (), changes, fence=fence)

    def come_again(self, message: Message, keys: Sequence[int], fence: Fence) -> None:
        """These could not be dealt with now; a little later they can."""
        change = Change(keys, attempt=False, due=self._clock.now() + LATER, untouched=True)
        self._ledger.record(message, (), [change], fence=fence)


def with_own(verdicts: Sequence[Verdict], own: Sequence[int]) -> list[Verdict]:
    """Verdicts of a chain, whose devices may have got the message otherwise while it went on."""
    return [verdict._replace(change=verdict.change._replace(own=list(own))) for verdict in verdicts]
