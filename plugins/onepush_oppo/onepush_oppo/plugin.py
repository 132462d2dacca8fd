"""The plugin object: onepush's hooks, and how the parts are put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import gevent
import structlog

from onepush_core import App, Device, Devices, Draft, Gateway, InvalidField, Message, Outcomes, hookimpl
from onepush_oppo.callback import ReceiptResource
from onepush_oppo.inbox import NAME, VENDOR, Inbox
from onepush_oppo.options import UnfitOption, check_together, merge, read_options
from onepush_oppo.parts import Parts, assemble, receipt_address
from onepush_oppo.receipts import ROUTE
from onepush_oppo.seen import forget_older
from onepush_oppo.sending import Delivery
from onepush_oppo.settings import Directory, Settings

log = structlog.get_logger("onepush.oppo")
SILENCE = 10.0
"""Seconds after which a device that got a frame and did not confirm it is offered to OPPO."""
PRUNE_SECONDS = 3600.0
PRUNED_TOGETHER = 1000
LONGEST_LIFE = 3 * 86_400


class OppoPlugin:
    """The hooks. Serves one gateway. ``idle_reason``: why it takes no part, None when it does."""

    migrations = Path(__file__).parent / "migrations"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._directory = Directory(settings)
        self._parts: Parts | None = None
        self._greenlets: list[gevent.Greenlet[..., object]] = []
        idle = not self._directory.credentials
        self.idle_reason = "no credentials: app_key and master_secret in [oppo]" if idle else None

    def _parts_for(self, gateway: Gateway) -> Parts:
        if self._parts is None:
            self._parts = assemble(gateway, self._settings, self._directory)
        return self._parts

    def details(self, gateway: Gateway) -> Iterator[str]:
        """What ``onepush plugins --verbose`` shows: where OPPO is to send receipts."""
        for app in gateway.apps():
            if self._directory.find(app["id"]) is not None:
                address = receipt_address(self._settings, app["id"])
                yield f"app {app['id']}: receipts to {address or 'nowhere'}"

    @hookimpl
    def startup(self, gateway: Gateway) -> None:
        """Open the connections' pool; look at OPPO's list of dead ids, if that is wanted."""
        if self.idle_reason:
            return
        parts = self._parts_for(gateway)
        sleep, interval = gateway.clock.sleep, self._settings.feedback_interval
        self._greenlets.append(gevent.spawn(repeat, sleep, PRUNE_SECONDS, lambda: _prune(gateway)))
        if interval:
            self._greenlets.append(gevent.spawn(repeat, sleep, interval, parts.feedback.run))

    @hookimpl
    def shutdown(self) -> None:
        """Let go of connections and greenlets."""
        gevent.killall(self._greenlets, timeout=1.0)
        self._greenlets.clear()
        if self._parts is not None:
            self._parts.client.close()

    @hookimpl
    def register_routes(self, gateway: Gateway) -> Iterable[tuple[str, object]]:
        """The address of OPPO's receipts, when there is a secret to make it of."""
        if self.idle_reason or self._settings.receipt_secret is None:
            return []
        inbox = Inbox(gateway, self._parts_for(gateway).metrics)
        deadline = gateway.settings.server.body_deadline
        return [(ROUTE, ReceiptResource(self._settings.receipt_secret, inbox, deadline))]

    @hookimpl
    def check_send(self, app: App, draft: Draft) -> None:
        """Refuse what OPPO could not express. Raises InvalidField."""
        chosen = draft.options.get(NAME)
        if chosen is None:
            return
        settings = self._directory.find(app.id)
        try:
            options = read_options(chosen)
            if settings is not None:
                check_together(merge(settings.defaults, options), settings.content_limit)
        except UnfitOption as error:
            path = ("options", NAME, error.field) if error.field else ("options", NAME)
            raise InvalidField(".".join(path), error.problem) from None

    def takes(self, message: Message, device: Device) -> bool:
        """OPPO's devices, and messages for people: a command is never shown as a notification."""
        return device.vendor == VENDOR and message.type == "MSG" and self._serves(message)

    @hookimpl
    def deliver(self, message: Message, devices: Devices, waited: float) -> Iterable[Outcomes]:
        """Hand OPPO's devices to OPPO."""
        settings = self._directory.find(message.app.id)
        if settings is None or self._parts is None:
            return ()
        wanted = [device for device in devices if self.takes(message, device)]
        return Delivery(self._parts.tools, settings, message).run(wanted) if wanted else ()

    @hookimpl
    def check_back(self, message: Message) -> Iterable[float]:
        """A device with a stale socket stays silent: after a while OPPO gets its message."""
        return (SILENCE,) if message.need_confirm and message.type == "MSG" and self._serves(message) else ()

    def _serves(self, message: Message) -> bool:
        return self._directory.find(message.app.id) is not None


def repeat(sleep: Callable[[float], object], seconds: float, work: Callable[[], object]) -> None:
    """Work every so many seconds, for ever; a failure costs one turn."""
    while True:
        sleep(seconds)
        try:
            work()
        except Exception as error:
            log.error("oppo_background_work_failed", error=type(error).__name__)


def _prune(gateway: Gateway) -> None:
    """Forget receipts of messages that the core has forgotten."""
    kept = gateway.settings.retention.finished_after + LONGEST_LIFE
    before = gateway.clock.now() - round(kept * 1000)
    while gateway.write(lambda transaction: forget_older(transaction, before, PRUNED_TOGETHER)):
        gevent.sleep(0.1)
