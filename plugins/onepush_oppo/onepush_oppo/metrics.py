"""What Prometheus sees of this transport. Labels take few values: no apps, ids or tokens."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from onepush_oppo.codes import RULES

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)


class Metrics:
    """The plugin's metrics in the gateway's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "onepush_oppo_calls",
            "Calls to OPPO, by return code or failure.",
            ["call", "code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "onepush_oppo_call_seconds", "How long calls took.", ["call"], buckets=_SECONDS, registry=registry
        )
        self._targets = Counter(
            "onepush_oppo_targets", "Targets of messages, by return code.", ["code"], registry=registry
        )
        self._receipts = Counter(
            "onepush_oppo_receipts",
            "Receipts that came in, per device.",
            ["event", "result"],
            registry=registry,
        )
        self._paused = Gauge(
            "onepush_oppo_breaker_open",
            "Credentials whose calls pause, by host.",
            ["host"],
            registry=registry,
        )
        self._exhausted = Gauge(
            "onepush_oppo_quota_exhausted", "Credentials that wait for midnight UTC+8.", registry=registry
        )
        self._quota_left = Gauge(
            "onepush_oppo_quota_left",
            "Messages left today of daily_quota, over all credentials; NaN when that is not set.",
            registry=registry,
        )

    def watch(
        self,
        paused: dict[str, Callable[[], float]],
        exhausted: Callable[[], float],
        quota_left: Callable[[], float],
    ) -> None:
        """Where the gauges read; ``paused`` by host."""
        for host, count in paused.items():
            self._paused.labels(host).set_function(count)
        self._exhausted.set_function(exhausted)
        self._quota_left.set_function(quota_left)

    def answered(self, call: str, code: int) -> None:
        """A call came back with this code."""
        self._calls.labels(call, _label(code)).inc()

    def call_failed(self, call: str, reason: str) -> None:
        """A call brought no answer."""
        self._calls.labels(call, reason.replace(" ", "_")).inc()

    def call_took(self, call: str, seconds: float) -> None:
        """A call ended, one way or the other."""
        self._seconds.labels(call).observe(seconds)

    def target(self, code: int, number: int = 1) -> None:
        """OPPO said this of so many targets."""
        self._targets.labels(_label(code)).inc(number)

    def receipt(self, event: str, result: str, number: int) -> None:
        """Receipts of so many devices came in."""
        if number:
            self._receipts.labels(event, result).inc(number)


def _label(code: int) -> str:
    return str(code) if code in RULES else "other"
