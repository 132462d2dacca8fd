"""What Prometheus sees. Labels take few values: no ids, aliases or texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

MAX_REASONS = 64
_REASON_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")

_ACCEPT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_DELIVERY = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0, 86_400.0)
_LAG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Registry(CollectorRegistry):
    """A registry that knows what is in it, so that what a plugin brought can be taken out again."""

    def __init__(self) -> None:
        self.collectors: list[Collector] = []
        super().__init__()

    def register(self, collector: Collector) -> None:
        """Take a collector in. Raises ValueError when one of its names is taken."""
        super().register(collector)
        self.collectors.append(collector)

    def unregister(self, collector: Collector) -> None:
        """Take it out."""
        super().unregister(collector)
        self.collectors.remove(collector)


class PluginStates(Collector):
    """``onepush_plugin_state``: for each plugin 1 at its state and 0 at the others."""

    def __init__(self, states: Iterable[str], look: Callable[[], Iterable[tuple[str, str]]]) -> None:
        self._states = tuple(states)
        self._look = look

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Look, when somebody asks."""
        gauge = GaugeMetricFamily(
            "onepush_plugin_state", "1: the plugin is in this state.", labels=("plugin", "state")
        )
        for plugin, state in self._look():
            for one in self._states:
                gauge.add_metric((plugin, one), float(one == state))
        yield gauge

    def describe(self) -> list[GaugeMetricFamily]:
        """Nobody is asked before the start."""
        return []


class Metrics:
    """The metrics of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = Registry()
        self._reasons: set[tuple[str, str]] = set()
        self._accept_seconds = Histogram(
            "onepush_accept_seconds",
            "From a send's body in hand to its commit; its count is the number of messages accepted.",
            buckets=_ACCEPT,
            registry=self.registry,
        )
        self._confirmed = Counter(
            "onepush_confirmed", "Deliveries confirmed by a device.", registry=self.registry
        )
        self._outcomes = Counter(
            "onepush_outcomes",
            "What transports answered, per device asked.",
            ["transport", "outcome", "reason"],
            registry=self.registry,
        )
        self._handed_seconds = Histogram(
            "onepush_delivery_seconds",
            "From acceptance to a transport's taking it.",
            ["transport"],
            buckets=_DELIVERY,
            registry=self.registry,
        )
        self.pending = Gauge("onepush_deliveries_pending", "Deliveries not final.", registry=self.registry)
        self.online = Gauge("onepush_devices_online", "Devices connected here.", registry=self.registry)
        self._hub_lag = Histogram(
            "onepush_hub_lag_seconds",
            "How late a timer fires: for so long something held the event loop.",
            buckets=_LAG,
            registry=self.registry,
        )
        self._request_counters: dict[tuple[str, str, str], Counter] = {}
        self._requests = Counter(
            "onepush_http_requests",
            "Requests answered, by route template.",
            ["method", "route", "status"],
            registry=self.registry,
        )

    def show_plugins(self, states: Iterable[str], look: Callable[[], Iterable[tuple[str, str]]]) -> None:
        """Show each plugin's state; ``look`` tells (name, state) of each."""
        self.registry.register(PluginStates(states, look))

    def accepted(self, seconds: float) -> None:
        """A message was stored, so long after its request was read; a replay does not count."""
        self._accept_seconds.observe(seconds)

    def outcome(self, transport: str, outcome: str, reason: str | None = None, number: int = 1) -> None:
        """A transport answered so for ``number`` devices. The reason is reduced to a class."""
        self._outcomes.labels(transport, outcome, self._class_of(transport, reason)).inc(number)

    def handed(self, transport: str, seconds: float) -> None:
        """A transport took a device's message, so long after acceptance."""
        self._handed_seconds.labels(transport).observe(seconds)

    def confirmed(self, number: int = 1) -> None:
        """So many deliveries were confirmed."""
        self._confirmed.inc(number)

    def request(self, method: str, route: str, status: str) -> None:
        """An HTTP answer was made."""
        counter = self._request_counters.get((method, route, status))
        if counter is None:
            counter = self._request_counters[method, route, status] = self._requests.labels(
                method, route, status
            )
        counter.inc()

    def watch_hub(
        self, sleep: Callable[[float], object], monotonic: Callable[[], float], interval: float = 0.1
    ) -> NoReturn:
        """Measure for ever, in a greenlet of its own, how late ``sleep`` comes back."""
        while True:
            due = monotonic() + interval
            sleep(interval)
            self._hub_lag.observe(max(0.0, monotonic() - due))

    def _class_of(self, transport: str, reason: str | None) -> str:
        """The reason as a label; ``other`` when it looks like data or there are too many already."""
        if reason is None:
            return ""
        label = reason.lower().replace(" ", "_").replace("-", "_")
        if len(label) > 40 or sum(map(str.isdigit, label)) > 5 or not _REASON_CHARACTERS.issuperset(label):
            return "other"
        if (transport, label) not in self._reasons:
            if len(self._reasons) >= MAX_REASONS:
                return "other"
            self._reasons.add((transport, label))
        return label
