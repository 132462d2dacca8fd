"""What an emulator remembers: tokens, quotas, what arrived at which phone, and what is to go wrong."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter, deque
from typing import Any

import msgspec

from onepush_oppo.emulator.options import EmulatorOptions

JOURNAL = 200_000
KINDS = ("hang", "trickle", "drop", "empty", "text", "redirect", "revoke", "torn", "lost")


class Trouble(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Something that goes wrong with the next ``times`` calls to ``path``, once ``skip`` have passed.

    ``kind``: an HTTP status, or ``hang``, ``trickle``, ``drop``, ``empty``, ``text``, ``redirect``,
    ``revoke`` (all of which leave the call undone), ``torn``, ``lost`` (done, but the answer breaks off or
    never comes). ``path``: a part of the path, empty for all.
    """

    kind: str
    times: int = 1
    skip: int = 0
    path: str = ""
    seconds: float = 3600.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS and not (self.kind.isdecimal() and len(self.kind) == 3):
            raise ValueError(f"no such kind of trouble: {self.kind}")


class Arrival(msgspec.Struct, kw_only=True, rename="camel"):
    """A notification that a phone has. ``times``: how often it was sent to it."""

    target: str
    target_type: int
    app_key: str
    message_id: str
    notification: dict[str, Any]
    at: float
    times: int = 1


class State:
    """Everything, behind one lock that is held for moments only."""

    def __init__(self, options: EmulatorOptions) -> None:
        self.options = options
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.reset()

    def reset(self) -> None:
        """Forget everything but the options."""
        self.tokens: dict[str, tuple[str, float]] = {}
        self.codes: dict[str, int] = {}
        self.invalid: list[str] = []
        self.troubles: list[Trouble] = []
        self.arrivals: dict[tuple[str, str], Arrival] = {}
        self.calls: deque[dict[str, Any]] = deque(maxlen=JOURNAL)
        self.posts: deque[dict[str, Any]] = deque(maxlen=JOURNAL)
        self.counts: Counter[str] = Counter()
        self._used: Counter[tuple[str, str]] = Counter()
        self._second = (0, 0)

    def now(self) -> float:
        """Seconds since the epoch by this server's clock."""
        return time.time() + self.options.clock_offset

    def issue_token(self, app_key: str) -> str:
        """A new token; those issued before stay valid."""
        token = secrets.token_hex(12)
        self.tokens[token] = app_key, self.now() + self.options.token_life
        return token

    def app_of(self, token: str) -> str | None:
        """Whose token this is, None when it is unknown or too old."""
        app_key, until = self.tokens.get(token, ("", 0.0))
        return app_key if until > self.now() else None

    def next_trouble(self, path: str) -> Trouble | None:
        """What is to go wrong with this call."""
        with self.lock:
            for trouble in self.troubles:
                if trouble.path not in path:
                    continue
                if trouble.skip > 0:
                    trouble.skip -= 1
                    continue
                trouble.times -= 1
                if trouble.times <= 0:
                    self.troubles.remove(trouble)
                return trouble
        return None

    def over_rate(self, number: int) -> bool:
        """True when this second has seen too many targets."""
        second = int(self.now())
        seen = self._second[1] if self._second[0] == second else 0
        if not self.options.rate or seen + number <= self.options.rate:
            self._second = second, seen + number
            return False
        return True

    def over_quota(self, app_key: str, number: int) -> bool:
        """True when the app has no room left today for so many; else they are counted."""
        place = ("app", app_key)
        if self.options.daily_quota and self._used[place] + number > self.options.daily_quota:
            return True
        self._used[place] += number
        return False

    def over_device_quota(self, target: str) -> bool:
        """True when this device had its share today."""
        self._used["device", target] += 1
        quota = self.options.device_quota
        return bool(quota) and self._used["device", target] > quota

    def arrive(self, arrival: Arrival) -> bool:
        """Put a notification on a phone; False when it has it already (same app_message_id)."""
        name = arrival.notification.get("app_message_id") or arrival.message_id
        known = self.arrivals.get((name, arrival.target))
        if known is not None:
            known.times += 1
            self.counts["absorbed"] += 1
            return False
        self.arrivals[name, arrival.target] = arrival
        self.counts["shown"] += 1
        return True
