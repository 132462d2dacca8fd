"""The plugin object: onepush's hooks, and how the parts are put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import gevent

from onepush_core import App, Device, Draft, Gateway, InvalidField, Message, Outcome, hookimpl
from onepush_sms.metrics import Metrics
from onepush_sms.policies import Maker, Policies, Policy
from onepush_sms.providers import make_provider
from onepush_sms.pruning import run_pruning
from onepush_sms.receipts import report_address, routes
from onepush_sms.sending import SETTLING, Sender
from onepush_sms.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"
FIRST_LOOK = 1.0
"""Seconds after acceptance at which a person is looked at again whose other devices were waited for."""


class SmsPlugin:
    """The hooks. Serves one gateway. ``make``: makes providers."""

    def __init__(self, settings: Settings, make: Maker = make_provider) -> None:
        self._settings = settings
        self._policies = Policies(settings, make)
        self._gateway: Gateway | None = None
        self._sender: Sender | None = None
        self._pruning: gevent.Greenlet[..., None] | None = None
        self._active = any(self._policies)
        self.idle_reason = None if self._active else "no provider is set in [sms]"
        self.migrations = MIGRATIONS if self._active else None

    def details(self, gateway: Gateway) -> Iterator[str]:
        """What ``onepush plugins --verbose`` shows: the addresses for the providers' consoles."""
        for app in gateway.apps():
            policy = self._policies.of(app["id"])
            if policy is not None:
                address = report_address(self._settings.gateway, policy.provider.name, app["id"])
                yield f"app {app['id']}: {policy.provider.name}, delivery reports to {address or 'nowhere'}"

    @hookimpl
    def startup(self, gateway: Gateway) -> None:
        """Load the providers' SDKs and begin to prune."""
        if not self._active:
            return
        for policy in self._policies:
            policy.provider.prepare()
        self._gateway = gateway
        self._metrics = Metrics(gateway.metrics.registry)
        clock, deadline = gateway.clock, gateway.settings.delivery.deadline
        self._sender = Sender(gateway, clock.now, clock.monotonic, self._metrics, deadline)
        self._pruning = gevent.spawn(run_pruning, gateway, clock.sleep)

    @hookimpl
    def shutdown(self) -> None:
        """Take no more work. A call under way is either settled in time or counts as ambiguous."""
        if self._pruning is not None:
            self._pruning.kill(block=False)
        self._sender = None

    @hookimpl
    def register_routes(self, gateway: Gateway) -> Iterable[tuple[str, object]]:
        """The addresses that providers report to."""
        if not self._active:
            return ()
        return routes(gateway, self._settings.gateway, self._policies, self._metrics)

    @hookimpl
    def check_send(self, app: App, draft: Draft) -> None:
        """Refuse an SMS that could never go."""
        for option in draft.options.get("sms", {}):
            raise InvalidField(f"options.sms.{option}", "there is no such option")
        policy = self._policies.of(app.id)
        if policy is not None:
            policy.check(draft)

    @hookimpl
    def check_back(self, message: Message) -> Iterable[float]:
        """Come again when the wait is over; and a little later for whom another device was waited for."""
        policy = self._policy(message)
        if policy is None:
            return ()
        wait = policy.wait(message) / 1000
        # With needConfirm every look repeats the frame to those who are online: one is enough.
        looks = (SETTLING,) if message.need_confirm else (FIRST_LOOK, SETTLING)
        return (wait, *(look for look in looks if look > wait))

    def takes(self, message: Message, device: Device) -> bool:
        """Whether this message becomes an SMS by now, if nothing else reaches the person."""
        policy = self._policy(message)
        if policy is None or self._gateway is None:
            return False
        return self._gateway.clock.now() >= message.accepted_at + policy.wait(message)

    @hookimpl(trylast=True)
    def deliver(self, message: Message, devices: Sequence[Device], waited: float) -> Iterable[Outcome]:
        """Send to the people nobody has reached, once the wait is over."""
        policy = self._policy(message)
        if policy is None or self._sender is None or round(waited * 1000) < policy.wait(message):
            return ()
        return self._sender.deliver(message, devices, policy)

    def _policy(self, message: Message) -> Policy | None:
        return self._policies.of(message.app.id) if message.sms_message is not None else None
