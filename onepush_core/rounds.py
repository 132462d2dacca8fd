"""One round: some devices of a message, offered to one transport after the other. Pure.

The whole delivery policy is here. A device leaves the round when a transport has taken it:
DELIVERED, HELD, or SENT for the first time. FAILED and GONE leave it to the next transport, and so
does a repeated SENT: who got the frame before and did not confirm is worth another way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from onepush_core.objects import DeliveryState, Device, Message, Outcome, Status
from onepush_core.store.deliveries import Change, Due

HOLD = 10_000
"""Milliseconds after which a delivery that was HELD and never reported is offered again."""


class Verdict(NamedTuple):
    """One kind of answer of one transport: what changes, and what the trail says of it."""

    change: Change
    transport: str
    status: Status
    reason: str | None


class Round:
    """Who is still unreached, and what each answer means.

    ``asked``, ``again``: for each device the bits of the transports that were asked before, and of
    those that may be asked again. ``check_back``: when some plugin wants the rest offered again.
    """

    def __init__(
        self,
        message: Message,
        devices: Sequence[Device],
        check_back: int | None = None,
        asked: Mapping[int, int] | None = None,
        again: Mapping[int, int] | None = None,
    ) -> None:
        self.message = message
        self.remaining = {device.key: device for device in devices}
        self.check_back = check_back
        self._asked = asked or {}
        self._again = again or {}
        self._mentioned: set[int] = set()
        self._repeating: set[int] = set()

    def offer_to(self, name: str, bit: int, devices: Iterable[Device]) -> list[Device]:
        """Those of ``devices`` that this transport is to be asked for."""
        return [device for device in devices if self.may_ask(name, bit, device)]

    def may_ask(self, name: str, bit: int, device: Device) -> bool:
        """False when the device is reached, or this transport is through with it."""
        if device.key not in self.remaining:
            return False
        if device.gone is not None and name in device.gone.split(","):
            return False
        if not self._asked:
            return True
        closed = self._asked.get(device.key, 0) & ~self._again.get(device.key, 0)
        return not closed & bit

    def accept(self, name: str, bit: int, outcomes: Sequence[Outcome], now: int) -> list[Verdict]:
        """Take in a transport's answers; what is to be written of them."""
        groups: dict[tuple[Status, str | None, float | None, bool, bool], list[int]] = {}
        for outcome in outcomes:
            repeating = self._take(bit, outcome)
            kind = (outcome.status, outcome.reason, outcome.retry_after, outcome.again, repeating)
            groups.setdefault(kind, []).append(outcome.device)
        return [
            Verdict(self._change(bit, keys, *kind, now=now), name, kind[0], kind[1])
            for kind, keys in groups.items()
        ]

    def _take(self, bit: int, outcome: Outcome) -> bool:
        """Bring the sets up to date; True when an earlier transport of this round repeats for the device."""
        key, status = outcome.device, outcome.status
        repeating = key in self._repeating
        self._mentioned.add(key)
        if status is Status.SENT and self._again.get(key, 0) & bit:
            self._repeating.add(key)
        elif status not in (Status.FAILED, Status.GONE):
            self.remaining.pop(key, None)
        return repeating

    def _change(
        self,
        bit: int,
        keys: list[int],
        status: Status,
        reason: str | None,
        retry_after: float | None,
        again: bool,
        repeating: bool,
        now: int,
    ) -> Change:
        if status is Status.DELIVERED or (status is Status.SENT and not self.message.need_confirm):
            return Change(keys, DeliveryState.HANDED_OFF, asked=bit)
        if status is Status.HELD:
            return Change(keys, attempt=False, due=now + HOLD)
        if status is Status.SENT and again:
            return Change(keys, asked=bit, again=bit, rule=Due.RESEND, due=self.check_back)
        retry = status is Status.FAILED and retry_after is not None
        if repeating:
            return Change(keys, asked=0 if retry else bit, rule=Due.KEEP)
        if retry and retry_after is not None:
            return Change(keys, due=earliest(now + round(retry_after * 1000), self.check_back))
        return Change(keys, asked=bit, due=self.check_back)

    def is_repeating(self, key: int) -> bool:
        """True when a transport has repeated the message to this device in this round."""
        return key in self._repeating

    def unmentioned(self) -> list[int]:
        """Devices of which no transport has said anything in this round."""
        return [key for key in self.remaining if key not in self._mentioned]


def earliest(first: int | None, second: int | None) -> int | None:
    """The earlier of two times, either of which may be missing."""
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)


def next_check_back(message: Message, delays: Iterable[float], now: int) -> int | None:
    """The next of these times (seconds after acceptance) that is still to come."""
    times = (message.accepted_at + round(delay * 1000) for delay in delays)
    return min((time for time in times if time > now), default=None)


def count(verdicts: Iterable[Verdict]) -> dict[str, Counter[str]]:
    """How many devices got which answer, by transport."""
    counts: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        counts.setdefault(verdict.transport, Counter())[verdict.status.value] += len(verdict.change.devices)
    return counts
