"""The auditor: reads what the drivers of a test saw and says which promises were broken.

It shares no code with the gateway. Times are seconds on the driver's monotonic clock.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

FINAL = frozenset({"confirmed", "handedOff", "expired", "cancelled", "dropped"})
REACHED = frozenset({"confirmed", "handedOff"})
GRACE = 1.0
"""Seconds by which the clocks of gateway and drivers may be taken to differ."""


class Send(NamedTuple):
    """One send. ``key`` is the driver's own and travels in the body; ``devices`` were meant at that time.

    ``request_id``: None when no answer came. ``refused``: a 4xx came. ``expires``: None: not in this test.
    ``once``: False where the device may get it again though nothing was broken.
    """

    key: str
    app: str
    devices: frozenset[str]
    began: float
    ended: float
    request_id: str | None
    refused: bool = False
    expires: float | None = None
    once: bool = True


class Frame(NamedTuple):
    """One frame that a device got on a connection opened at ``opened``."""

    device: str
    message_id: str
    app: str
    key: str
    body: str
    at: float
    opened: float


class Confirm(NamedTuple):
    """A confirm that the gateway had recorded by ``recorded``."""

    device: str
    message_id: str
    recorded: float


class Delivery(NamedTuple):
    """What the ledger says of one message and device in the end."""

    request_id: str
    device: str
    state: str


class Totals(NamedTuple):
    """What the status call says of one message in the end."""

    request_id: str
    total: int
    counts: dict[str, int]


class History(NamedTuple):
    """All that was seen. ``apps``: each device's app. ``frames`` of a device stand in order of receipt.

    ``faulted``: something was broken on purpose, so that repeats are to be expected: all the time, or
    where ``faults`` are given (from, to) of messages that were under way then.
    """

    apps: dict[str, str]
    sends: list[Send]
    frames: list[Frame]
    confirms: list[Confirm]
    deliveries: list[Delivery]
    totals: list[Totals]
    faulted: bool = False
    faults: tuple[tuple[float, float], ...] = ()


class Finding(NamedTuple):
    """A broken promise: the invariant's name, and what exactly."""

    invariant: str
    what: str


def audit(history: History) -> list[Finding]:
    """All findings; none is what a test wants."""
    return [Finding(name, what) for name, check in CHECKS.items() for what in check(history)]


def find_losses(history: History) -> Iterator[str]:
    """Acknowledged for a device, and neither received nor ended in a state that says why."""
    states = {(one.request_id, one.device): one.state for one in history.deliveries}
    received = {(frame.message_id, frame.device) for frame in history.frames}
    for send in history.sends:
        if send.request_id is None:
            continue
        for device in send.devices:
            state = states.get((send.request_id, device), "missing")
            got = (send.request_id, device) in received
            if state not in FINAL or (state in REACHED and not got):
                yield f"send {send.key} for {device}: {state}, {'' if got else 'not '}received"


def find_inventions(history: History) -> Iterator[str]:
    """A frame of a send that never began or was refused."""
    begun = {send.key for send in history.sends if not send.refused}
    yield from (f"frame {one.key} on {one.device}" for one in history.frames if one.key not in begun)


def find_strays(history: History) -> Iterator[str]:
    """A frame on a device of another app, or for whom it was not meant."""
    meant = {send.key: send.devices for send in history.sends}
    for frame in history.frames:
        if frame.app != history.apps[frame.device]:
            yield f"frame of app {frame.app} on {frame.device}"
        elif frame.device not in meant.get(frame.key, {frame.device}):
            yield f"frame {frame.key} on {frame.device}, which was not meant"


def find_disorder(history: History) -> Iterator[str]:
    """Two sends of which one ended before the other began, first received the other way round."""
    sends = {send.key: send for send in history.sends}
    latest: dict[str, float] = defaultdict(float)
    seen: set[tuple[str, str]] = set()
    for frame in history.frames:
        send = sends.get(frame.key)
        if send is None or (frame.device, frame.key) in seen:
            continue
        seen.add((frame.device, frame.key))
        if send.request_id is not None and send.ended < latest[frame.device]:
            yield f"frame {frame.key} on {frame.device} came after one that was sent later"
        latest[frame.device] = max(latest[frame.device], send.began)


def find_late_frames(history: History) -> Iterator[str]:
    """A frame after its message had expired."""
    expires = {send.key: send.expires for send in history.sends}
    for frame in history.frames:
        end = expires.get(frame.key)
        if end is not None and frame.at > end + GRACE:
            yield f"frame {frame.key} on {frame.device}, {frame.at - end:.1f} s late"


def find_ignored_confirms(history: History) -> Iterator[str]:
    """A confirmed message once more, on a connection opened well after that."""
    recorded = {(one.device, one.message_id): one.recorded for one in history.confirms}
    for frame in history.frames:
        since = recorded.get((frame.device, frame.message_id))
        if since is not None and frame.opened > since + GRACE:
            yield f"frame {frame.key} on {frame.device}, though confirmed"


def find_double_identities(history: History) -> Iterator[str]:
    """One send with two ids, one id with two bodies, or another id than the caller was told."""
    told = {send.key: send.request_id for send in history.sends if send.request_id}
    ids: dict[str, str] = {}
    bodies: dict[str, str] = {}
    for frame in history.frames:
        if ids.setdefault(frame.key, frame.message_id) != frame.message_id:
            yield f"send {frame.key} came with two ids"
        if bodies.setdefault(frame.message_id, frame.body) != frame.body:
            yield f"message {frame.message_id} came with two bodies"
        if told.get(frame.key, frame.message_id) != frame.message_id:
            yield f"send {frame.key} came with another id than was answered"


def find_needless_repeats(history: History) -> Iterator[str]:
    """The same message twice on a device though nothing was broken."""
    if history.faulted and not history.faults:
        return
    sends = {send.key: send for send in history.sends}
    received: dict[tuple[str, str], list[Frame]] = defaultdict(list)
    for frame in history.frames:
        received[frame.device, frame.message_id].append(frame)
    for (device, message), frames in received.items():
        send = sends.get(frames[0].key)
        untouched = send is None or (send.once and not _is_touched(send.began, frames[-1].at, history.faults))
        if len(frames) > 1 and untouched:
            yield f"{message} {len(frames)} times on {device}"


def _is_touched(began: float, ended: float, faults: Sequence[tuple[float, float]]) -> bool:
    return any(began < until and since < ended for since, until in faults)


def find_double_sends(history: History) -> Iterator[str]:
    """The same send acknowledged under two request ids."""
    ids: dict[str, set[str]] = defaultdict(set)
    for send in history.sends:
        if send.request_id is not None:
            ids[send.key].add(send.request_id)
    yield from (f"send {key} has {len(found)} request ids" for key, found in ids.items() if len(found) > 1)


def find_imbalances(history: History) -> Iterator[str]:
    """Totals that do not add up, or differ from the deliveries behind them."""
    behind: dict[str, Counter[str]] = defaultdict(Counter)
    for delivery in history.deliveries:
        behind[delivery.request_id][delivery.state] += 1
    for one in history.totals:
        counts = {state: number for state, number in one.counts.items() if number}
        if sum(counts.values()) != one.total:
            yield f"message {one.request_id}: {counts} of {one.total}"
        elif counts != behind[one.request_id]:
            yield f"message {one.request_id}: {counts}, but {dict(behind[one.request_id])}"


CHECKS: dict[str, Callable[[History], Iterator[str]]] = {
    "no loss": find_losses,
    "no invention": find_inventions,
    "isolation": find_strays,
    "order": find_disorder,
    "expiry": find_late_frames,
    "confirm": find_ignored_confirms,
    "identity": find_double_identities,
    "no needless repeat": find_needless_repeats,
    "idempotency": find_double_sends,
    "conservation": find_imbalances,
}
