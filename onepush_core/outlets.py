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

from onepush_core.breaker import Breaker
from onepush_core.objects import Device, Devices, Message, Outcome, Outcomes, Status
from onepush_core.rounds import gather
from onepush_core.trace import HookTrace

log = structlog.get_logger("onepush.outlet")
RETRY = 5.0
FOREVER = 10 * 365 * 86_400.0


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
        may_leave: Callable[[Message], bool] = lambda message: True,
        tracer: HookTrace | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self.name = name
        self.bit = bit
        self.first = first
        self.takes = takes
        self.breaker = breaker or Breaker()
        self.waiting = 0
        self.call = call
        self._tracer = tracer
        self._may_leave = may_leave
        self.deadline = deadline
        self._places = BoundedSemaphore(concurrency)

    def wants(self, message: Message, device: Device) -> bool:
        """False for a dead address; else what the plugin says, without a word of its own: True."""
        if device.gone is not None and self.name in device.gone.split(","):
            return False
        if self.takes is None:
            return True
        try:
            return bool(self.takes(message, device))
        except (Exception, SystemExit) as error:
            self._log(message, "takes_raised", error)
            return False

    def offer(
        self,
        message: Message,
        devices: Devices,
        waited: float,
        may_begin: Callable[[], bool] = lambda: True,
    ) -> list[Outcomes]:
        """Ask the plugin; what it said of these devices, each at most once.

        ``may_begin``: whether the call may still be made when it has its place.
        """
        if not devices:
            return []
        pause = self.breaker.pause_left()
        if pause:
            return [Outcomes(devices.keys, Status.FAILED, "breaker open", pause)]
        with self._places:
            # The call may have waited for its place: what has ended meanwhile is not begun.
            if not (self._may_leave(message) and may_begin()):
                return []
            return self._ask(message, devices, waited)

    def _ask(self, message: Message, devices: Devices, waited: float) -> list[Outcomes]:
        began = time.perf_counter()
        outcomes = self._ask_plugin(message, devices, waited)
        if self._tracer is not None and self._tracer.active:
            self._tracer.delivered(message.id, self.name, outcomes, time.perf_counter() - began)
        return outcomes

    def _ask_plugin(self, message: Message, devices: Devices, waited: float) -> list[Outcomes]:
        left = set(devices.keys)
        outcomes: list[Outcome | Outcomes] = []
        try:
            with gevent.Timeout(self.deadline):
                _collect(self.call(message=message, devices=devices, waited=waited), left, outcomes)
        except gevent.Timeout:
            self._log(message, "deliver_timed_out", None)
            outcomes.append(self._failed(left, "deadline exceeded"))
        except (Exception, SystemExit) as error:
            self._log(message, "deliver_raised", error)
            outcomes.append(self._failed(left, f"plugin error: {type(error).__name__}"))
        else:
            self.breaker.succeeded()
        return gather(outcomes)

    def _failed(self, left: set[int], reason: str) -> Outcomes:
        """What was said before the failure counts; the rest may be tried again later."""
        self.breaker.failed()
        return Outcomes(sorted(left), Status.FAILED, reason, max(RETRY, self.breaker.pause_left()))

    def _log(self, message: Message, event: str, error: BaseException | None) -> None:
        log.error(event, plugin=self.name, message=message.id, error=type(error).__name__ if error else None)


def _collect(answers: list[Any], left: set[int], outcomes: list[Outcome | Outcomes]) -> None:
    """Keep what is meant: outcomes of offered devices, the first one of each; those leave ``left``."""
    for answer in answers:
        if not isinstance(answer, Iterable):
            raise TypeError(f"deliver gave {type(answer).__name__}, not outcomes")
        for outcome in answer:
            _check(outcome)
            if isinstance(outcome, Outcomes):
                outcomes.append(_offered_only(outcome, left))
            elif outcome.device in left:
                left.remove(outcome.device)
                outcomes.append(outcome)


def _check(outcome: Any) -> None:
    """Raise TypeError for what is not an outcome or has fields that mean nothing."""
    if not isinstance(outcome, Outcome | Outcomes):
        raise TypeError("deliver gave something that is not an Outcome")
    told: tuple[Any, ...] = (outcome.status, outcome.reason, outcome.retry_after)
    status, reason, retry = told
    if not isinstance(status, Status) or not (reason is None or isinstance(reason, str)):
        raise TypeError("deliver gave an Outcome with fields that mean nothing")
    if not (retry is None or (isinstance(retry, int | float) and 0 <= retry < FOREVER)):
        raise TypeError("deliver gave an Outcome with a time that means nothing")


def _offered_only(outcome: Outcomes, left: set[int]) -> Outcomes:
    meant = left.intersection(outcome.devices)
    left -= meant
    if len(meant) == len(outcome.devices):
        return outcome
    return msgspec.structs.replace(outcome, devices=sorted(meant))
