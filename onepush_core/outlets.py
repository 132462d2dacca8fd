"""An outlet: one transport behind its own deadline, bulkhead and breaker.

An exception, a hang or nonsense from one plugin must never hurt another, nor the message.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import gevent
import msgspec
import structlog
from gevent.lock import BoundedSemaphore

from onepush_core.objects import Device, Devices, Message, Outcome, Outcomes, Status
from onepush_core.rounds import gather

log = structlog.get_logger("onepush.outlet")
RETRY = 5.0


class Breaker:
    """Opens after some failures in a row; pauses, then lets one call try. Pure but for the clock."""

    def __init__(
        self,
        failures: int = 5,
        pause: float = 30.0,
        longest: float = 300.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed = failures
        self._first_pause = pause
        self._longest = longest
        self._monotonic = monotonic
        self._failures = 0
        self._pause = pause
        self._open_until = 0.0

    def pause_left(self) -> float:
        """Seconds for which no call is to be made; 0 when closed."""
        return max(0.0, self._open_until - self._monotonic())

    def succeeded(self) -> None:
        """A call came back: closed."""
        self._failures = 0
        self._pause = self._first_pause

    def failed(self) -> None:
        """A call failed as a whole."""
        self._failures += 1
        if self._failures >= self._allowed and not self.pause_left():
            self._open_until = self._monotonic() + self._pause
            self._pause = min(self._pause * 2, self._longest)


class Outlet:
    """Calls ``deliver`` of one plugin, and always comes back with a list of outcomes."""

    def __init__(
        self,
        name: str,
        bit: int,
        call: Callable[..., Any],
        *,
        first: bool,
        takes: Callable[[Message, Device], bool] | None,
        deadline: float,
        concurrency: int,
        breaker: Breaker | None = None,
    ) -> None:
        self.name = name
        self.bit = bit
        self.first = first
        self.takes = takes
        self.breaker = breaker or Breaker()
        self.waiting = 0
        self._call = call
        self._deadline = deadline
        self._places = BoundedSemaphore(concurrency)

    def wants(self, message: Message, device: Device) -> bool:
        """What the plugin says of itself; without a word of its own it wants all."""
        if self.takes is None:
            return True
        try:
            return bool(self.takes(message, device))
        except Exception as error:
            self._log(message, "takes_raised", error)
            return False

    def offer(self, message: Message, devices: Devices, waited: float) -> list[Outcomes]:
        """Ask the plugin; what it said of these devices, each at most once."""
        if not devices:
            return []
        pause = self.breaker.pause_left()
        if pause:
            return [Outcomes(devices.keys, Status.FAILED, "breaker open", pause)]
        with self._places:
            return self._ask(message, devices, waited)

    def _ask(self, message: Message, devices: Devices, waited: float) -> list[Outcomes]:
        left = set(devices.keys)
        outcomes: list[Outcome | Outcomes] = []
        try:
            with gevent.Timeout(self._deadline):
                _collect(self._call(message=message, devices=devices, waited=waited), left, outcomes)
        except gevent.Timeout:
            self._log(message, "deliver_timed_out", None)
            outcomes.append(self._failed(left, "deadline exceeded"))
        except Exception as error:
            self._log(message, "deliver_raised", error)
            outcomes.append(self._failed(left, f"plugin error: {type(error).__name__}"))
        else:
            self.breaker.succeeded()
        return gather(outcomes)

    def _failed(self, left: set[int], reason: str) -> Outcomes:
        """What was said before the failure counts; the rest may be tried again later."""
        self.breaker.failed()
        return Outcomes(sorted(left), Status.FAILED, reason, max(RETRY, self.breaker.pause_left()))

    def _log(self, message: Message, event: str, error: Exception | None) -> None:
        log.error(event, plugin=self.name, message=message.id, error=type(error).__name__ if error else None)


def _collect(answers: list[Any], left: set[int], outcomes: list[Outcome | Outcomes]) -> None:
    """Keep what is meant: outcomes of offered devices, the first one of each; those leave ``left``."""
    for answer in answers:
        if not isinstance(answer, Iterable):
            raise TypeError(f"deliver gave {type(answer).__name__}, not outcomes")
        for outcome in answer:
            if isinstance(outcome, Outcome):
                if outcome.device in left:
                    left.remove(outcome.device)
                    outcomes.append(outcome)
            elif isinstance(outcome, Outcomes):
                outcomes.append(_offered_only(outcome, left))
            else:
                raise TypeError("deliver gave something that is not an Outcome")


def _offered_only(outcome: Outcomes, left: set[int]) -> Outcomes:
    meant = left.intersection(outcome.devices)
    left -= meant
    return (
        outcome if len(meant) == len(outcome.devices) else msgspec.structs.replace(outcome, devices=[*meant])
    )
