"""A clock that is moved by hand: five minutes cost no time."""

from __future__ import annotations

import heapq
import math
import time
from itertools import count
from typing import Any, Protocol

import gevent
from gevent.event import Event

from onepush_core.clock import Clock

START = 1_800_000_000_000
PATIENCE = 10.0
"""Real seconds that what the clock has set going may take."""
MOST_STOPS = 100_000


class Follower(Protocol):
    """What lives by the clock: a gateway, by its ``Stage``."""

    def next_stop(self, after: int) -> int | None:
        """When the next thing is due after this time, in milliseconds."""

    def look(self) -> None:
        """Do what is due now."""

    def settle(self) -> None:
        """Wait until nothing is under way."""


class ManualClock(Clock):
    """Stands still until it is moved. ``now``: where it stands at first, milliseconds since the epoch."""

    def __init__(self, now: int = START) -> None:
        self._now = now
        self._followers: list[Follower] = []
        self._sleepers: list[tuple[int, int, Event, Any]] = []
        self._numbers = count()
        self._awake: set[Any] = set()

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """The same time in seconds."""
        return self._now / 1000

    def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved so far."""
        me, alarm = gevent.getcurrent(), Event()
        self._awake.discard(me)
        sleeper = (self._now + math.ceil(seconds * 1000), next(self._numbers), alarm, me)
        heapq.heappush(self._sleepers, sleeper)
        try:
            alarm.wait()
        except BaseException:
            self._sleepers = [one for one in self._sleepers if one is not sleeper]
            heapq.heapify(self._sleepers)
            raise

    def pause(self, seconds: float, stopping: Event) -> bool:
        """The gateway's loops rest; ``advance`` does their work at the very time at which it is due."""
        return stopping.wait()

    def follow(self, follower: Follower) -> None:
        """From now on move this one along."""
        self._followers.append(follower)

    def leave(self, follower: Follower) -> None:
        """It is gone."""
        self._followers.remove(follower)

    def jump(self, seconds: float) -> None:
        """Only set the clock, as when a machine was suspended: nothing that came due is done."""
        self._now += round(seconds * 1000)

    def advance(self, seconds: float) -> None:
        """Let time pass: stop wherever something comes due, and wait there until it is done.

        What is due already, because the clock had only been set, is done first.
        """
        end = self._now + round(seconds * 1000)
        self._settle()
        for follower in self._followers:
            follower.look()
        self._settle()
        for _ in range(MOST_STOPS):
            stops = [(one, one.next_stop(self._now) or end) for one in self._followers]
            alarms = [max(self._now, due) for due, *_ in self._sleepers[:1]]
            self._now = min([end, *alarms, *(stop for _, stop in stops)])
            self._wake()
            for follower, stop in stops:
                if stop <= self._now:
                    follower.look()
            self._settle()
            if self._now >= end:
                return
        raise AssertionError(f"more than {MOST_STOPS} things came due within {seconds:g} s")

    def _wake(self) -> None:
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, alarm, sleeper = heapq.heappop(self._sleepers)
            self._awake.add(sleeper)
            alarm.set()

    def _settle(self) -> None:
        """Whoever was woken works until it sleeps again or ends; then the gateways come to rest."""
        patient_until = time.monotonic() + PATIENCE
        while any(not one.dead for one in self._awake):
            if time.monotonic() > patient_until:
                raise AssertionError(f"what the clock has woken is still at work after {PATIENCE:g} s")
            gevent.sleep(0.001)
        self._awake.clear()
        for follower in self._followers:
            follower.settle()
