"""A third party's plugin that goes wrong on demand.

The settings table says what each hook does: ``{"authenticate_app": "raise"}``; a message says it for itself:
``options: {"trouble": {"deliver": "hang"}}``, and without such an option none of its devices is taken.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import falcon
import gevent
from prometheus_client import Gauge

from onepush_core import (
    App,
    Credentials,
    Device,
    Draft,
    Gateway,
    Message,
    Outcome,
    Receipt,
    Selector,
    Status,
    hookimpl,
)

FOREVER = 3600.0
SLOW = 0.5
PROMISED_IDS = ("no-such-device", "no-such-device-either")


def misbehave(behaviour: str | None) -> Any:
    """Raise, exit, hang, be slow, or return something that makes no sense."""
    if behaviour == "raise":
        raise RuntimeError("trouble")
    if behaviour == "exit":
        sys.exit("trouble")
    if behaviour == "hang":
        gevent.sleep(FOREVER)
    if behaviour == "slow":
        gevent.sleep(SLOW)
    return 42 if behaviour == "nonsense" else None


class Trouble:
    """Every hook there is; the ``deliver`` of one that is asked beside the lane, like a vendor's."""

    def __init__(self, table: dict[str, str]) -> None:
        self._table = table
        self._attempts: Counter[str] = Counter()
        self._running = 0
        self._most = 0

    def takes(self, message: Message, device: Device) -> bool:
        """Only the devices of messages that ask for trouble."""
        wanted = message.options.get("trouble")
        if wanted is None:
            return False
        misbehave(wanted.get("takes"))
        return True

    @hookimpl
    def authenticate_app(self, credentials: Credentials) -> App | None:
        """Not ours, if all goes well."""
        result: App | None = misbehave(self._table.get("authenticate_app"))
        return result

    @hookimpl
    def resolve_audience(self, app: App, selector: Selector) -> Iterable[str] | None:
        """``TROUBLE`` is our kind: its value says what happens."""
        result: Iterable[str] | None = misbehave(self._table.get("resolve_audience"))
        if selector.kind != "TROUBLE":
            return result
        return _broken_ids() if selector.values == ("raise late",) else misbehave(selector.values[0])

    @hookimpl
    def check_send(self, app: App, draft: Draft) -> None:
        """Look at the draft, or worse."""
        misbehave(draft.options.get("trouble", {}).get("check_send"))

    @hookimpl
    def check_back(self, message: Message) -> Iterable[float] | None:
        """Ask for nothing, if all goes well."""
        result: Iterable[float] | None = misbehave(message.options.get("trouble", {}).get("check_back"))
        return result

    @hookimpl
    def on_confirm(self, receipt: Receipt) -> None:
        """Take note, or worse."""
        misbehave(self._table.get("on_confirm"))

    @hookimpl
    def register_routes(self, gateway: Gateway) -> Iterable[tuple[str, object]]:
        """One path whose resource raises, and the path that the settings name."""
        misbehave(self._table.get("register_routes"))
        return [(path, RaisingResource()) for path in ("/trouble", self._table.get("path")) if path]

    @hookimpl
    def startup(self, gateway: Gateway) -> None:
        """Start, or not."""
        misbehave(self._table.get("startup"))
        gauge = Gauge("trouble_calls_most", "Most calls at a time.", registry=gateway.metrics.registry)
        gauge.set_function(lambda: self._most)

    @hookimpl
    def shutdown(self) -> None:
        """Stop, or not."""
        misbehave(self._table.get("shutdown"))

    @hookimpl
    def deliver(self, message: Message, devices: Sequence[Device], waited: float) -> Iterable[Outcome]:
        """What the message's options say."""
        self._running += 1
        self._most = max(self._most, self._running)
        try:
            return self._deliver(message, devices)
        finally:
            self._running -= 1

    def _deliver(self, message: Message, devices: Sequence[Device]) -> Iterable[Outcome]:
        behaviour = message.options["trouble"].get("deliver", "sent")
        if behaviour in ANSWERS:
            return [ANSWERS[behaviour](device.key) for device in devices]
        if behaviour == "fail twice":
            self._attempts[message.id] += 1
            kind = "sent" if self._attempts[message.id] > 2 else "fail"
            return [ANSWERS[kind](device.key) for device in devices]
        if behaviour == "raise late":
            return _raise_after_first(devices)
        if behaviour == "foreign":
            return [Outcome(device.key + 1_000_000, Status.DELIVERED) for device in devices]
        result: Iterable[Outcome] | None = misbehave(behaviour)
        return [ANSWERS["sent"](device.key) for device in devices] if result is None else result


class FirstTrouble:
    """A transport in the lane, like the one for sockets; it is asked before all others."""

    @hookimpl(tryfirst=True)
    def deliver(self, message: Message, devices: Sequence[Device], waited: float) -> Iterable[Outcome]:
        """What the message's options say; nothing without."""
        result = misbehave(message.options.get("trouble_first", {}).get("deliver"))
        return () if result is None else result


class RaisingResource:
    """A resource with a bug."""

    def on_get(self, _request: falcon.Request, _response: falcon.Response) -> None:
        """Raise with something in the text that nobody must see."""
        raise RuntimeError("the-secret-of-the-plugin")


def _broken_ids() -> Iterator[str]:
    yield from PROMISED_IDS
    raise RuntimeError("trouble")


def _raise_after_first(devices: Sequence[Device]) -> Iterator[Outcome]:
    yield Outcome(devices[0].key, Status.SENT)
    raise RuntimeError("trouble")


ANSWERS: dict[str, Callable[[int], Outcome]] = {
    "sent": lambda key: Outcome(key, Status.SENT),
    "delivered": lambda key: Outcome(key, Status.DELIVERED),
    "gone": lambda key: Outcome(key, Status.GONE, "no such token"),
    "fail": lambda key: Outcome(key, Status.FAILED, "busy", retry_after=0.2),
    "fail for good": lambda key: Outcome(key, Status.FAILED, "bad request"),
}


def create(table: dict[str, str]) -> Trouble:
    """Make the plugin; a table may ask for trouble even here."""
    misbehave(table.get("create"))
    return Trouble(table)


def create_first(table: dict[str, str]) -> FirstTrouble:
    """Make the plugin of the lane."""
    misbehave(table.get("create"))
    return FirstTrouble()
