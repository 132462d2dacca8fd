"""Gateway: the one object that the API, the commands and the plugins call. It ties the parts together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import gevent
import structlog

from onepush_core import reports
from onepush_core.accepting import Accepting
from onepush_core.administration import Administration
from onepush_core.audiences import Audiences
from onepush_core.clock import Clock
from onepush_core.directory import Directory
from onepush_core.dispatcher import Dispatcher
from onepush_core.errors import (
    AuthenticationFailed,
    ConfigurationError,
    OnepushError,
    UnknownApp,
    UnknownDevice,
    UnknownMessage,
)
from onepush_core.events import Events
from onepush_core.followup import Followup
from onepush_core.housekeeping import Housekeeping
from onepush_core.ids import new_device_id
from onepush_core.ledger import Ledger
from onepush_core.metrics import Metrics
from onepush_core.objects import (
    App,
    Credentials,
    DeliveryState,
    Device,
    Draft,
    Message,
    Outcome,
    Outcomes,
    Receipt,
    Registration,
)
from onepush_core.offering import Offering
from onepush_core.outlets import Outlet
from onepush_core.plugins import Plugins, PluginState, load_plugins
from onepush_core.presence import Presence
from onepush_core.rounds import Round, gather
from onepush_core.settings import Settings
from onepush_core.store import apps, deliveries, devices, messages, transports
from onepush_core.store.database import migrate, open_database, worker_lock
from onepush_core.store.deliveries import Schedule
from onepush_core.store.engine import SqliteEngine
from onepush_core.store.tables import Tables
from onepush_core.store.trail import Entry, add_entry
from onepush_core.store.transaction import Transaction

log = structlog.get_logger("onepush.gateway")
T = TypeVar("T")
Mount = Callable[[Iterable[tuple[str, object]], str], None]
FIRST_DEADLINE = 5.0
SHUTDOWN_DEADLINE = 3.5
LOCK_PATIENCE = 3.0
PROBE_PATIENCE = 2.0
WATCH = 2.0


class Gateway:
    """Everything of one running gateway. Make it in the process that uses it, after any fork.

    For plugins: ``settings``, ``clock``, ``presence``, ``metrics``, ``database`` and ``tables`` (to
    build audience queries), ``find_device``, ``backlog``, ``record``, ``note``, ``confirm``,
    ``is_cancelled`` and ``on``.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        plugins: Plugins | None = None,
        clock: Clock | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or Clock()
        self.metrics = metrics or Metrics()
        self.presence = Presence()
        self.events = Events()
        self.plugins = plugins or load_plugins(
            settings.tables, settings.plugins.load, settings.plugins.required
        )
        self.database = open_database(settings.store.database)
        self.tables = Tables(self.database)
        self.engine = SqliteEngine(self.database, settings.store.max_waiting)
        self.directory = Directory(self.engine, self.clock.monotonic)
        self.administration = Administration(self.engine, self.directory, self.clock)
        self.create_app = self.administration.create_app
        self.find_app = self.administration.find_app
        self.apps = self.administration.apps
        self.set_enabled = self.administration.set_enabled
        self.rotate_key = self.administration.rotate_key
        self._lock = worker_lock(self.database)
        self._cancelled: dict[int, int] = {}
        self._greenlets: list[gevent.Greenlet[..., Any]] = []
        self._assemble()

    def _assemble(self) -> None:
        delivery = self.settings.delivery
        schedule = Schedule(delivery.resend_gaps)
        self.ledger = Ledger(
            self.engine, self.clock, self.metrics, schedule, delivery.queue_limit, self._tell_confirmed
        )
        self.audiences = Audiences(self.plugins)
        self.offering = Offering(self.engine, self.plugins, self.ledger, self.clock, self.is_cancelled)
        self.dispatcher = Dispatcher(
            self.engine, self.audiences, self.offering, self.clock, delivery.page_size, self.is_cancelled
        )
        self.followup = Followup(self.engine, self.offering, self.clock, self.is_cancelled)
        self.housekeeping = Housekeeping(self.engine, self.clock, self.settings.retention)
        self.accepting = Accepting(
            self.engine, self.plugins, self.audiences, self.clock, self.dispatcher.accept
        )

    @classmethod
    @contextmanager
    def open(cls, settings: Settings) -> Iterator[Gateway]:
        """A gateway that serves nothing: for commands that only need the store."""
        gateway = cls(settings)
        gateway.migrate()
        try:
            yield gateway
        finally:
            gateway.engine.close()

    # --- life --------------------------------------------------------------------------------

    def migrate(self) -> list[str]:
        """Bring the core's schema and the plugins' own up to date; names of the migrations applied.

        A plugin with tables of its own has an attribute ``migrations``: the folder of its numbered files.
        """
        applied = migrate(self.database)
        for name, plugin in self.plugins.manager.list_name_plugin():
            directory = getattr(plugin, "migrations", None)
            if directory is not None:
                applied += migrate(self.database, directory, name)
        return applied

    def start(self, mount: Mount | None = None) -> None:
        """Serve: lock the store, recover, call ``startup``, mount the plugins' routes.

        ``mount(routes, owner)`` takes a plugin's Falcon resources. Raises ConfigurationError.
        """
        if not self._lock.acquire(LOCK_PATIENCE):
            raise ConfigurationError("store.database: another gateway is using this database")
        self.migrate()
        if os.environ.get("ONEPUSH_TRACE") == "1":
            self.plugins.trace()
        self._start_plugins(mount)
        self._open_outlets()
        self.dispatcher.recover()
        for loop in (
            self.followup.run,
            self.housekeeping.run_expiry,
            self.housekeeping.run_retention,
            self._watch,
            self._watch_hub,
        ):
            self._greenlets.append(gevent.spawn(loop))

    def _start_plugins(self, mount: Mount | None) -> None:
        """An error of a plugin here stops the start."""
        for hook in ("startup", "register_routes"):
            for implementation in self.plugins.implementations(hook):
                name = implementation.plugin_name
                try:
                    results = self.plugins.caller(hook, name)(gateway=self)
                    if mount and hook == "register_routes":
                        mount([route for routes in results for route in routes or ()], name)
                except ConfigurationError:
                    raise
                except Exception as error:
                    raise ConfigurationError(f"plugin {name}: {hook} failed: {error}") from error

    def _open_outlets(self) -> None:
        found = self.plugins.implementations("deliver")
        names = [implementation.plugin_name for implementation in found]
        bits = self.engine.write(lambda transaction: transports.bits_of(transaction, names))
        self.offering.open(self._outlet(implementation, bits) for implementation in found)

    def _outlet(self, implementation: Any, bits: dict[str, int]) -> Outlet:
        name, delivery = implementation.plugin_name, self.settings.delivery
        first = bool(implementation.tryfirst)
        return Outlet(
            name,
            bits[name],
            self.plugins.caller("deliver", name),
            first=first,
            takes=getattr(implementation.plugin, "takes", None),
            deadline=min(delivery.deadline, FIRST_DEADLINE) if first else delivery.deadline,
            concurrency=delivery.concurrency,
            may_leave=self.offering.may_leave,
            tracer=self.plugins.tracer,
        )

    def stop(self) -> None:
        """Dispatch no more and let the plugins say goodbye. Requests are still answered until ``close``."""
        for part in (self.dispatcher, self.followup, self.housekeeping):
            part.stop()
        for _ in self.plugins.each("shutdown", SHUTDOWN_DEADLINE):
            pass
        gevent.killall(self._greenlets, timeout=1.0)

    def close(self) -> None:
        """Commit what waits and let go of the store."""
        self.engine.close()
        self._lock.release()

    def _watch_hub(self) -> None:
        self.metrics.online.set_function(lambda: len(self.presence))
        self.metrics.watch_hub(gevent.sleep, self.clock.monotonic)

    def _watch(self) -> None:
        """Notice what other processes change (``onepush app disable``), and count what is pending."""
        disabled: set[int] = set(self.engine.read(apps.disabled_apps))
        while True:
            gevent.sleep(WATCH)
            try:
                now_disabled = set(self.engine.read(apps.disabled_apps))
                self.metrics.pending.set(self.engine.read(messages.count_pending))
            except OnepushError:
                continue
            for app in now_disabled - disabled:
                self.events.tell("app_disabled", app)
            disabled = now_disabled

    # --- for plugins -------------------------------------------------------------------------

    def on(self, event: str, callback: Callable[[int], object]) -> None:
        """Hear of ``device_removed``, ``device_rebound`` (device key) and ``app_disabled`` (app key)."""
        self.events.on(event, callback)

    def find_device(self, device_id: str) -> Device | None:
        """The registered device of an enabled app with this id (waits)."""
        return self.engine.read(lambda transaction: devices.find_active(transaction, device_id))

    def backlog(self, device: int, after: int, limit: int) -> list[Message]:
        """What is pending for a device, from the message after this key on, oldest first (waits)."""
        now = self.clock.now()
        rows = self.engine.read(
            lambda transaction: deliveries.backlog(transaction, device, after, now, limit)
        )
        return [message for message in map(messages.decode, rows) if not self.is_cancelled(message)]

    def record(self, transport: str, message: Message, outcomes: Sequence[Outcome | Outcomes]) -> None:
        """Say later what became of devices: those answered HELD, or served from their backlog."""
        outlet = self.offering.find(transport)
        verdicts = Round(message, ()).accept(transport, outlet.bit, gather(outcomes), self.clock.now())
        self.ledger.record(message, verdicts)

    def note(
        self, transport: str, message: Message, devices: Sequence[int], outcome: str, reason: str
    ) -> None:
        """Add a line to the trail of these devices that changes nothing else."""
        self.ledger.note(message, devices, transport, outcome, reason)

    def note_within(
        self,
        transaction: Transaction,
        transport: str,
        message_id: str,
        devices: Sequence[int],
        outcome: str,
        reason: str,
    ) -> None:
        """The same inside a job of ``write``: the line and the rest of the job are kept or lost together."""
        key = messages.key_of(transaction, message_id)
        if key is not None:
            add_entry(transaction, key, Entry(devices, self.clock.now(), transport, outcome, reason))

    def confirm(self, transport: str, message_id: str, device: int) -> None:
        """This device has this message. Does not wait; a pair that is not in the ledger changes nothing."""
        self.ledger.confirm(transport, message_id, device)

    def find_message(self, message_id: str) -> Message | None:
        """The message with this id (waits)."""
        return self.engine.read(lambda transaction: messages.find_by_public_id(transaction, message_id))

    def find_by_tokens(self, app: int, vendor: str, tokens: Sequence[str]) -> list[int]:
        """Keys of an app's active devices with these vendor tokens (waits)."""
        return self.engine.read(lambda transaction: devices.by_tokens(transaction, app, vendor, tokens))

    def forget(self, transport: str, devices_: Sequence[int]) -> None:
        """The addresses of these devices are dead for this transport. Does not wait."""
        self.engine.keep(lambda transaction: devices.forget_address(transaction, devices_, transport))

    def read(self, job: Callable[[Transaction], T]) -> T:
        """Run a job that only reads the store (waits). Raises StoreUnavailable."""
        return self.engine.read(job)

    def write(self, job: Callable[[Transaction], T]) -> T:
        """Run a job in the next commit (waits). It may run twice: no side effects but on its transaction."""
        return self.engine.write(job)

    def flush(self) -> None:
        """Wait until everything that was recorded, confirmed or noted so far is on disk."""
        self.ledger.flush()

    def is_cancelled(self, message: Message) -> bool:
        """True for a message that was cancelled here while it may still be on its way."""
        return message.key in self._cancelled

    def _tell_confirmed(self, receipts: list[Receipt]) -> None:
        if self.plugins.implementations("on_confirm"):
            gevent.spawn(self._call_on_confirm, receipts)

    def _call_on_confirm(self, receipts: list[Receipt]) -> None:
        for receipt in receipts:
            for _ in self.plugins.each("on_confirm", receipt=receipt):
                pass

    # --- for the API -------------------------------------------------------------------------

    def authenticate(self, app_id: str, secret: str) -> App:
        """The app that these credentials are of. Raises AuthenticationFailed."""
        # Whom a plugin in trouble might have refused does not pass.
        credentials = Credentials(app_id, secret)
        app = self.plugins.first("authenticate_app", pass_over=False, credentials=credentials)
        if not isinstance(app, App):
            raise AuthenticationFailed()
        return app

    def register(self, app_id: str, registration: Registration) -> str:
        """Insert or update a device; its id. Raises UnknownApp."""
        app = self.directory.find(app_id)
        if app is None:
            raise UnknownApp()
        new_id, now = new_device_id(), self.clock.now()
        device_id, key, rebound = self.engine.write(
            lambda transaction: devices.register(transaction, app.key, registration, new_id, now)
        )
        if rebound:
            self.events.tell("device_rebound", key)
        return device_id

    def unregister(self, device_id: str) -> None:
        """Forget a device's address and cancel its queue. Raises UnknownDevice."""
        now = self.clock.now()
        key = self.engine.write(lambda transaction: devices.unregister(transaction, device_id, now))
        if key is None:
            raise UnknownDevice()
        self.events.tell("device_removed", key)

    def send(self, app: App, draft: Draft, idempotency: tuple[str, bytes] | None = None) -> tuple[str, bool]:
        """Check and store a send: its id, and whether that was a replay.

        ``idempotency``: the caller's key and a digest of what the body means.
        """
        if idempotency is None:
            return self.accepting.accept(app, draft), False
        return self.accepting.accept_once(app, draft, *idempotency)

    def status(self, app: App, message_id: str) -> dict[str, Any]:
        """State, counts and times. Raises UnknownMessage."""
        return self.engine.read(lambda transaction: reports.message_status(transaction, app.key, message_id))

    def deliveries(self, app: App, message_id: str, cursor: str | None, limit: int) -> dict[str, Any]:
        """A page of deliveries with their trails. Raises UnknownMessage, InvalidField."""
        after = reports.read_cursor(cursor)
        return self.engine.read(
            lambda transaction: reports.message_deliveries(transaction, app.key, message_id, after, limit)
        )

    def cancel(self, app: App, message_id: str) -> dict[str, Any]:
        """Cancel what is pending; the status. Raises UnknownMessage."""
        row = self.engine.read(lambda transaction: messages.find_by_id(transaction, app.key, message_id))
        if row is None:
            raise UnknownMessage()
        key, expires_at = row[0], row[3]
        if self.engine.write(lambda transaction: messages.mark_cancelled(transaction, key)):
            self._remember_cancelled(key, expires_at)
            self.housekeeping.end_message(key, DeliveryState.CANCELLED)
        return self.status(app, message_id)

    def _remember_cancelled(self, key: int, expires_at: int) -> None:
        now = self.clock.now()
        self._cancelled = {one: until for one, until in self._cancelled.items() if until > now}
        self._cancelled[key] = expires_at

    def devices(self, app: App, alias: str, cursor: str | None, limit: int) -> dict[str, Any]:
        """A page of an alias's devices. Raises InvalidField."""
        after = reports.read_cursor(cursor)
        return self.engine.read(
            lambda transaction: reports.device_list(transaction, self.presence, app.key, alias, after, limit)
        )

    # --- for operators -----------------------------------------------------------------------

    def plugin_states(self) -> list[PluginState]:
        """Every installed plugin and its state."""
        return self.plugins.states()

    def hook_order(self) -> dict[str, list[str]]:
        """The plugins' names in the order in which each hook calls them."""
        return self.plugins.order()

    def plugin_details(self) -> dict[str, list[str]]:
        """What plugins with a method ``details(gateway)`` have to tell an operator, line by line."""
        told = {
            name: list(plugin.details(self))
            for name, plugin in self.plugins.manager.list_name_plugin()
            if hasattr(plugin, "details")
        }
        return {name: lines for name, lines in told.items() if lines}

    def probe_commit(self) -> None:
        """Commit something. Raises StoreUnavailable when that takes more than two seconds."""
        now = self.clock.now()
        self.engine.write(
            lambda transaction: transaction.execute("UPDATE probe SET at = ? WHERE key = 1", (now,)) and None,
            timeout=PROBE_PATIENCE,
        )

    def probe_dispatch(self) -> None:
        """Send a canary through the dispatcher. Raises DispatchStuck after two seconds."""
        self.dispatcher.probe(PROBE_PATIENCE)
