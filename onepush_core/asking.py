"""Asking: the transports' outlets, in the order in which they are tried, and the calls to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from onepush_core.clock import Clock
from onepush_core.fences import Fence
from onepush_core.objects import Device, Devices, Message, Outcomes
from onepush_core.outlets import Outlet
from onepush_core.rounds import Round, Verdict, gather

LEASE = 120_000
"""Milliseconds for which a chain keeps its devices to itself; after a crash they come due then."""
MOST = 1_000
"""Devices in one call."""


class Asking:
    """``first``: outlets that are asked within the lane; ``beside``: the others, in order.

    ``lease``: milliseconds that a chain of the latter may take.
    """

    def __init__(self, clock: Clock, is_cancelled: Callable[[Message], bool]) -> None:
        self._clock = clock
        self._is_cancelled = is_cancelled
        self.open(())

    def open(self, outlets: Iterable[Outlet]) -> None:
        """From now on offer to these, in this order."""
        self.outlets = {outlet.name: outlet for outlet in outlets}
        self.first = [outlet for outlet in self.outlets.values() if outlet.first]
        self.beside = [outlet for outlet in self.outlets.values() if not outlet.first]
        # Time for some calls of the slowest, one after the other.
        self.lease = max([LEASE, *(round(outlet.deadline * 4000) for outlet in self.beside)])

    def find(self, name: str) -> Outlet:
        """The outlet of this transport. Raises KeyError."""
        return self.outlets[name]

    def idle(self) -> bool:
        """True when no chain is under way."""
        return not any(outlet.waiting for outlet in self.outlets.values())

    def first_for(self, message: Message, device: Device, online: bool) -> str | None:
        """The transport that would try first to reach a device: one of the lane only if it is online."""
        asked = self.outlets.values() if online else self.beside
        return next((outlet.name for outlet in asked if outlet.wants(message, device)), None)

    def may_leave(self, message: Message) -> bool:
        """False when the message has expired or was cancelled."""
        return self._clock.now() < message.expires_at and not self._is_cancelled(message)

    def is_in_time(self, latest: int | None) -> bool:
        """Whether a call may be begun that has to be by then, in milliseconds since the epoch."""
        return latest is None or self._clock.now() <= latest

    def ask_first(self, round_: Round, devices: Devices, fence: Fence) -> list[Verdict]:
        """Ask the transports of the lane; the answers of all calls together, which costs least to write."""
        verdicts: list[Verdict] = []
        for outlet in self.first:
            outcomes = [one for part in self.calls(outlet, round_, devices, fence) for one in part]
            verdicts += round_.accept(outlet.name, outlet.bit, gather(outcomes), self._clock.now())
        return verdicts

    def calls(
        self, outlet: Outlet, round_: Round, devices: Devices, fence: Fence, latest: int | None = None
    ) -> Iterator[list[Outcomes]]:
        """What a transport answers, call by call; after ``latest`` no call is begun."""
        keys = round_.open_to(outlet.bit, devices.keys)
        for start in range(0, len(keys), MOST):
            part = keys[start : start + MOST]
            offered = devices if len(part) == len(devices) else devices.only(part)
            waited = (self._clock.now() - round_.message.accepted_at) / 1000
            yield outlet.offer(
                round_.message, offered, waited, lambda: fence.is_valid() and self.is_in_time(latest)
            )
