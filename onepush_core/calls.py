"""What apps and devices ask for over REST: register, unregister, send, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from onepush_core import reports
from onepush_core.accepting import Accepting
from onepush_core.cancelled import Cancelled
from onepush_core.clock import Clock
from onepush_core.directory import Directory
from onepush_core.errors import UnknownApp, UnknownDevice, UnknownMessage
from onepush_core.housekeeping import Housekeeping
from onepush_core.ids import new_device_id
from onepush_core.objects import App, DeliveryState, Draft, Registration
from onepush_core.plugins import Plugins
from onepush_core.store import devices, messages
from onepush_core.store.engine import Engine
from onepush_core.store.transaction import Transaction


class Calls:
    """The calls, in the core's words.

    ``tell(event, key)``: to the parts of this worker; ``post``: to the other workers, if the transaction is
    committed. ``online``: which of these devices are connected. ``warning``: what senders are told while
    nobody can be reached.
    """

    def __init__(
        self,
        engine: Engine,
        plugins: Plugins,
        directory: Directory,
        accepting: Accepting,
        housekeeping: Housekeeping,
        cancelled: Cancelled,
        clock: Clock,
        tell: Callable[[str, int], object],
        post: Callable[[Transaction, str, int], object],
        online: Callable[[Sequence[int]], set[int]],
    ) -> None:
        self._engine = engine
        self._plugins = plugins
        self._directory = directory
        self._accepting = accepting
        self._housekeeping = housekeeping
        self._cancelled = cancelled
        self._clock = clock
        self._tell = tell
        self._post = post
        self._online = online
        self.warning: str | None = None

    def register(self, app_id: str, registration: Registration) -> str:
        """Insert or update a device; its id. Raises UnknownApp, InvalidField (a plugin objects)."""
        app = self._directory.find(app_id)
        if app is None:
            raise UnknownApp()
        for _ in self._plugins.each("check_registration", app=app, registration=registration):
            pass
        new_id, now = new_device_id(), self._clock.now()
        device_id, key, rebound = self._engine.write(
            lambda transaction: self._register(transaction, app.key, registration, new_id, now)
        )
        if rebound:
            self._tell("device_rebound", key)
        return device_id

    def _register(
        self, transaction: Transaction, app: int, registration: Registration, new_id: str, now: int
    ) -> tuple[str, int, bool]:
        device_id, key, rebound = devices.register(transaction, app, registration, new_id, now)
        if rebound:
            self._post(transaction, "device_rebound", key)
        return device_id, key, rebound

    def unregister(self, device_id: str) -> None:
        """Forget a device's address and cancel its queue. Raises UnknownDevice."""
        now = self._clock.now()

        def job(transaction: Transaction) -> int | None:
            key = devices.unregister(transaction, device_id, now)
            if key is not None:
                self._post(transaction, "device_removed", key)
            return key

        key = self._engine.write(job)
        if key is None:
            raise UnknownDevice()
        self._tell("device_removed", key)

    def send(self, app: App, draft: Draft, idempotency: tuple[str, bytes] | None = None) -> tuple[str, bool]:
        """Check and store a send: its id, and whether that was a replay.

        ``idempotency``: the caller's key and a digest of what the body means.
        """
        if idempotency is None:
            return self._accepting.accept(app, draft), False
        return self._accepting.accept_once(app, draft, *idempotency)

    def status(self, app: App, message_id: str) -> dict[str, Any]:
        """State, counts and times. Raises UnknownMessage."""
        found = self._engine.read(
            lambda transaction: reports.message_status(transaction, app.key, message_id)
        )
        return found if self.warning is None else {**found, "warning": self.warning}

    def deliveries(self, app: App, message_id: str, cursor: str | None, limit: int) -> dict[str, Any]:
        """A page of deliveries with their trails. Raises UnknownMessage, InvalidField."""
        after = reports.read_cursor(cursor)
        return self._engine.read(
            lambda transaction: reports.message_deliveries(transaction, app.key, message_id, after, limit)
        )

    def cancel(self, app: App, message_id: str) -> dict[str, Any]:
        """Cancel what is pending; the status. Raises UnknownMessage."""
        row = self._engine.read(lambda transaction: messages.find_by_id(transaction, app.key, message_id))
        if row is None:
            raise UnknownMessage()
        key: int = row[0]

        def job(transaction: Transaction) -> bool:
            cancelled = messages.mark_cancelled(transaction, key)
            if cancelled:
                self._post(transaction, "message_cancelled", key)
            return cancelled

        if self._engine.write(job):
            self._cancelled.add(key)
            self._housekeeping.end_message(key, DeliveryState.CANCELLED)
        return self.status(app, message_id)

    def devices(self, app: App, alias: str, cursor: str | None, limit: int) -> dict[str, Any]:
        """A page of an alias's devices. Raises InvalidField."""
        after = reports.read_cursor(cursor)
        found = self._engine.read(
            lambda transaction: reports.device_list(transaction, app.key, alias, after, limit)
        )
        online = self._online([one.device.key for one in found])
        return reports.device_page(found, online, limit)
