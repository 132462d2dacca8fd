"""One round: some devices of a message, offered to one transport after the other. Pure.

The whole delivery policy is here. A device leaves the round when a transport has taken it:
DELIVERED, HELD, or SENT for the first time. FAILED and GONE leave it to the next transport, and so
does a repeated SENT: who got the frame before and did not confirm is worth another way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from onepush_core.objects import DeliveryState, Message, Outcome, Outcomes, Status
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

    ``keys``: the devices, ascending. ``asked``, ``again``: for each device the bits of the transports
    that were asked before, and of those that may be asked again. ``check_back``: when some plugin wants
    the rest offered again. ``fresh``: all of ``keys`` were added just now, so nothing else of the
    message is pending between the first and the last of them.
    """

    def __init__(
        self,
        message: Message,
        keys: Sequence[int],
        check_back: int | None = None,
        asked: Mapping[int, int] | None = None,
        again: Mapping[int, int] | None = None,
        fresh: bool = False,
    ) -> None:
        self.message = message
        self.remaining = dict.fromkeys(keys)
        self.check_back = check_back
        self._size = len(keys)
        self._fresh = fresh
        self._asked = asked or {}
        self._again = again or {}
        self._mentioned: set[int] = set()
        self._repeating: set[int] = set()

    def open_to(self, bit: int, keys: Sequence[int]) -> Sequence[int]:
        """Those of ``keys`` that this transport may be asked for."""
        if not self._asked:
            return keys if len(self.remaining) == self._size else self.still_open(keys)
        return [key for key in keys if self.may_ask(bit, key)]

    def may_ask(self, bit: int, key: int) -> bool:
        """False when the device is reached, or this transport is through with it."""
        if key not in self.remaining:
            return False
        closed = self._asked.get(key, 0) & ~self._again.get(key, 0)
        return not closed & bit

    def accept(self, name: str, bit: int, outcomes: Iterable[Outcomes], now: int) -> list[Verdict]:
        """Take in a transport's answers; what is to be written of them."""
        return [
            Verdict(self._change(bit, part, keys, now), name, part.status, part.reason)
            for part in outcomes
            for keys in self._take(bit, part)
        ]

    def _take(self, bit: int, part: Outcomes) -> list[Sequence[int]]:
        """Bring the sets up to date; the devices, those apart for which another transport repeats."""
        apart = self._repeating.intersection(part.devices) if self._repeating else set()
        self._mentioned.update(part.devices)
        if part.status not in (Status.FAILED, Status.GONE):
            repeated = self._repeated(bit, part)
            self._repeating |= repeated
            taken = repeated.symmetric_difference(part.devices) if repeated else part.devices
            for key in taken:
                self.remaining.pop(key, None)
        if not apart:
            return [part.devices]
        rest = [key for key in part.devices if key not in apart]
        return [sorted(apart), rest] if rest else [sorted(apart)]

    def _repeated(self, bit: int, part: Outcomes) -> set[int]:
        """Devices to which this transport has sent the message once more."""
        if not self._again or part.status is not Status.SENT:
            return set()
        return {key for key in part.devices if self._again.get(key, 0) & bit}

    def _change(self, bit: int, part: Outcomes, keys: Sequence[int], now: int) -> Change:
        status, again = part.status, part.again
        span = self._fresh and len(keys) == self._size
        if status is Status.DELIVERED or (status is Status.SENT and not self.message.need_confirm):
            return Change(keys, DeliveryState.HANDED_OFF, asked=bit, span=span)
        if status is Status.HELD:
            return Change(keys, attempt=False, due=now + HOLD, span=span)
        if status is Status.SENT and again:
            return Change(keys, asked=bit, again=bit, rule=Due.RESEND, due=self.check_back, span=span)
        retry = None if status is not Status.FAILED else part.retry_after
        asked = bit if retry is None else 0
        if keys[0] in self._repeating:
            return Change(keys, asked=asked, rule=Due.KEEP)
        if retry is not None:
            return Change(keys, due=earliest(now + round(retry * 1000), self.check_back), span=span)
        return Change(keys, asked=bit, due=self.check_back, span=span)

    def pass_on(self, keys: Iterable[int]) -> None:
        """These are another worker's business now."""
        self._mentioned.update(keys)
        for key in keys:
            self.remaining.pop(key, None)

    def unrepeated(self) -> list[int]:
        """Devices that nothing has taken, and to which nothing was repeated in this round."""
        if not self._repeating:
            return list(self.remaining)
        return [key for key in self.remaining if key not in self._repeating]

    def is_repeating(self, key: int) -> bool:
        """True when a transport has repeated the message to this device in this round."""
        return key in self._repeating

    def still_open(self, keys: Iterable[int]) -> list[int]:
        """Those of ``keys`` that nothing has taken."""
        remaining = self.remaining
        return [key for key in keys if key in remaining]

    def unmentioned(self) -> list[int]:
        """Devices of which no transport has said anything in this round."""
        return [key for key in self.remaining if key not in self._mentioned]


def gather(outcomes: Iterable[Outcome | Outcomes]) -> list[Outcomes]:
    """Answers alike as one, whatever form they were given in."""
    kinds: dict[tuple[Status, str | None, float | None, bool], list[int]] = {}
    for one in outcomes:
        keys = kinds.setdefault((one.status, one.reason, one.retry_after, one.again), [])
        if isinstance(one, Outcomes):
            keys.extend(one.devices)
        else:
            keys.append(one.device)
    return [Outcomes(sorted(keys), *kind) for kind, keys in kinds.items() if keys]


def earliest(first: int | None, second: int | None) -> int | None:
    """The earlier of two times, either of which may be missing."""
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)


def next_check_back(message: Message, delays: Iterable[float], now: int) -> int | None:
    """The next of these times (seconds after acceptance) that is still to come."""
    times = (message.accepted_at + round(delay * 1000) for delay in delays)
    return min((time for time in times if time > now), default=None)


def dues_of(verdicts: Iterable[Verdict]) -> list[int]:
    """The times that these write."""
    return sorted({verdict.change.due for verdict in verdicts if verdict.change.due is not None})


def count(verdicts: Iterable[Verdict]) -> dict[str, Counter[str]]:
    """How many devices got which answer, by transport."""
    counts: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        counts.setdefault(verdict.transport, Counter())[verdict.status.value] += len(verdict.change.devices)
    return counts
