"""What Prometheus sees of the SMS: no numbers, aliases or ids as labels."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class Metrics:
    """``decided(…)`` counts people, ``segments`` what providers charge for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._decided = Counter(
            "onepush_sms",
            "SMS by what became of them; one for each person and message.",
            ["provider", "result", "reason"],
            registry=registry,
        )
        self._segments = Counter(
            "onepush_sms_segments", "Segments of accepted SMS.", ["provider"], registry=registry
        )
        self._reports = Counter(
            "onepush_sms_reports", "Delivery reports.", ["provider", "result"], registry=registry
        )
        self.paused = Gauge(
            "onepush_sms_paused_apps", "Apps whose SMS pause for an account problem.", registry=registry
        )

    def decided(self, provider: str, result: str, reason: str = "") -> None:
        """``reason``: one of a few words of ours, or a provider's code."""
        self._decided.labels(provider, result, reason).inc()

    def segments(self, provider: str, number: int) -> None:
        """An SMS of so many segments was accepted."""
        self._segments.labels(provider).inc(number)

    def reported(self, provider: str, result: str) -> None:
        """``result``: delivered, undelivered, unknown, repeated or forged."""
        self._reports.labels(provider, result).inc()
