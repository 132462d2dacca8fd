"""Readiness, proved by trying; many callers share one attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog
from gevent.lock import BoundedSemaphore

log = structlog.get_logger("onepush.health")


class Report(msgspec.Struct, frozen=True):
    """What was found: for each probe whether it went through."""

    probes: dict[str, bool]

    @property
    def ready(self) -> bool:
        """Whether all went through."""
        return all(self.probes.values())


class Health:
    """Runs the probes at most once per ``lifetime`` seconds, however many ask."""

    def __init__(
        self,
        probes: Mapping[str, Callable[[], Any]],
        monotonic: Callable[[], float],
        lifetime: float = 1.0,
    ) -> None:
        self._probes = probes
        self._monotonic = monotonic
        self._lifetime = lifetime
        self._lock = BoundedSemaphore()
        self._report: Report | None = None
        self._valid_until = 0.0

    def check(self) -> Report:
        """The latest report, made anew when it is too old. Waits as long as the probes do."""
        with self._lock:
            if self._report is None or self._monotonic() >= self._valid_until:
                self._report = Report({name: self._passes(name) for name in self._probes})
                self._valid_until = self._monotonic() + self._lifetime
            return self._report

    def _passes(self, name: str) -> bool:
        try:
            self._probes[name]()
        except Exception as error:
            self._log_change(name, error)
            return False
        return True

    def _log_change(self, name: str, error: Exception) -> None:
        if self._report is None or self._report.probes[name]:
            log.error("probe_failed", probe=name, error=type(error).__qualname__)
