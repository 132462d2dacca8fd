"""Gateway: the one object that the API, the commands and the plugins call. It ties the parts together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import gevent
import structlog
from gevent.event import Event
from gevent.pool import Group

from onepush_core.accepting import Accepting
from onepush_core.administration import Administration
from onepush_core.asking import Asking
from onepush_core.audiences import Audiences, Source
from onepush_core.breaker import Breaker
from onepush_core.calls import Calls
from onepush_core.cancelled import Cancelled
from onepush_core.clock import Clock
from onepush_core.cluster.cluster import Cluster
from onepush_core.cluster.opening import open_bus
from onepush_core.directory import Directory
from onepush_core.dispatcher import Dispatcher
from onepush_core.errors import (
    AuthenticationFailed,
    ConfigurationError,
    OnepushError,
    PluginFault,
)
from onepush_core.events import Events
from onepush_core.fences import Alone, Fence
from onepush_core.followup import Followup
from onepush_core.housekeeping import Housekeeping
from onepush_core.ledger import Ledger
from onepush_core.metrics import Metrics
from onepush_core.no_transport import explain, installed_plugins, known_transports
from onepush_core.objects import (
    App,
    Credentials,
    Device,
    Message,
    Outcome,
    Outcomes,
    Receipt,
)
from onepush_core.offering import Offering
from onepush_core.outlets import Outlet
from onepush_core.plugins import Plugins, load_plugins
from onepush_core.presence import Presence
from onepush_core.roster import ASIDE, STATES, PluginState
from onepush_core.rounds import Round, Verdict, gather
from onepush_core.settings import Settings
from onepush_core.starting import Mount, Starting
from onepush_core.store import apps, deliveries, devices, messages, presence, transports
from onepush_core.store.database import listen, migrate, open_database, open_engine, worker_lock
from onepush_core.store.deliveries import Schedule
from onepush_core.store.tables import Tables
from onepush_core.store.trail import Entry, add_entry
from onepush_core.store.transaction import Transaction
from onepush_core.store.writer import LAST

log = structlog.get_logger("onepush.gateway")
T = TypeVar("T")
FIRST_DEADLINE = 5.0
SHUTDOWN_DEADLINE = 3.5
LOCK_PATIENCE = 2.0
PROBE_PATIENCE = 2.0
SETTLING = 3.0
"""Seconds for which frames on their way are waited for."""
WATCH = 2.0
ALONE = Alone()
# Another worker's probe at the same time does as well; it is not waited for.
PROBE = "UPDATE probe SET at = ? WHERE key IN (SELECT key FROM probe WHERE key = 1 FOR UPDATE SKIP LOCKED)"


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
        self.events = Events()
        self.plugins = plugins or load_plugins(
            settings.tables,
            settings.plugins.load,
            settings.plugins.required,
            monotonic=self.clock.monotonic,
        )
        self.database = open_database(settings.store.database)
        self.tables = Tables(self.database)
        self.engine = open_engine(self.database, settings.store)
        self.directory = Directory(self.engine, self.clock.monotonic)
        self.administration = Administration(self.engine, self.directory, self.clock)
        self.create_app = self.administration.create_app
        self.find_app = self.administration.find_app
        self.apps = self.administration.apps
        self.set_enabled = self.administration.set_enabled
        self.rotate_key = self.administration.rotate_key
        self.cluster = self._make_cluster()
        self.presence = Presence(
            self.clock.monotonic, self._record_written, self.cluster.registry if self.cluster else None
        )
        self._lock = worker_lock(self.database)
        self._cancelled = Cancelled()
        self._greenlets: list[gevent.Greenlet[..., Any]] = []
        self._stopping = Event()
        self.telling = Group()
        self._disabled: set[int] = set()
        self._assemble()

    def _make_cluster(self) -> Cluster | None:
        """Where the database serves several workers, this one's part among them."""
        if not self.engine.shared:
            return None
        loaded = [plugin for _, plugin in self.plugins.manager.list_name_plugin()]
        bus = open_bus(self.settings.cluster.bus, loaded, self.clock.monotonic)
        own = open_engine(self.database, self.settings.store)
        return Cluster(self.engine, own, self.settings.cluster.lease, bus, self.events.tell)

    @property
    def warning(self) -> str | None:
        """What senders are told while nobody can be reached."""
        return self.calls.warning

    def fence(self) -> Fence:
        """The fence of what is begun now: a worker that the others gave up must not go on with it."""
        return self.cluster.fence() if self.cluster else ALONE

    def _assemble(self) -> None:
        delivery = self.settings.delivery
        schedule = Schedule(delivery.resend_gaps)
        self.ledger = Ledger(
            self.engine, self.clock, self.metrics, schedule, delivery.queue_limit, self._tell_confirmed
        )
        self.audiences = Audiences(self.plugins)
        cluster = self.cluster
        self.asking = Asking(self.clock, self.is_cancelled)
        self.offering = Offering(self.engine, self.plugins, self.ledger, self.clock, self.asking, cluster)
        self.dispatcher = Dispatcher(
            self.engine,
            self.audiences,
            self.offering,
            self.clock,
            delivery.page_size,
            self.is_cancelled,
            self.fence,
            cluster.catch_up if cluster else lambda _app, _until: None,
        )
        self.followup = Followup(self.engine, self.offering, self.clock, self.is_cancelled, self.fence)
        self.housekeeping = Housekeeping(
            self.engine,
            self.clock,
            self.settings.retention,
            cluster.session.leads if cluster else lambda: True,
        )
        self.accepting = Accepting(self.engine, self.plugins, self.audiences, self.clock, self._accepted)
        self._open_calls()
        if cluster:
            cluster.attach(self.dispatcher, self.offering, self.ledger, self.may_leave)
            self.events.on("message_cancelled", self._cancelled.add)

    def _open_calls(self) -> None:
        self.calls = Calls(
            self.engine,
            self.plugins,
            self.directory,
            self.accepting,
            self.housekeeping,
            self._cancelled,
            self.clock,
            self.events.tell,
            self._post,
            self.online,
        )
        self.register = self.calls.register
        self.unregister = self.calls.unregister
        self.send = self.calls.send
        self.status = self.calls.status
        self.deliveries = self.calls.deliveries
        self.cancel = self.calls.cancel
        self.devices = self.calls.devices

    def _post(self, transaction: Transaction, event: str, key: int) -> None:
        """Let the other workers know, where there are any."""
        if self.cluster:
            self.cluster.post(transaction, event, key)

    def _record_written(self) -> None:
        """Wait until what was handed to connections is in the ledger. Raises StoreUnavailable."""
        self.offering.underway.settle(SETTLING)
        self.ledger.flush()

    def _accepted(self, message: Message, source: Source) -> None:
        """A message was stored: whoever has the lane of its app dispatches it."""
        if self.cluster:
            self.cluster.ownership.take_up(message.app.key)
        else:
            self.dispatcher.accept(message, source)

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, lenient: bool = False) -> Iterator[Gateway]:
        """A gateway that serves nothing: for commands that only need the store.

        ``lenient``: no plugin stops it, not even one that is required.
        """
        chosen = settings.plugins
        plugins = load_plugins(settings.tables, chosen.load, chosen.required, lenient=lenient)
        gateway = cls(settings, plugins=plugins)
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
                applied += self._migrate_plugin(name, directory)
        return applied

    def _migrate_plugin(self, name: str, directory: Path) -> list[str]:
        try:
            return migrate(self.database, directory, name)
        except Exception as error:
            fault = PluginFault.of("cannot bring its tables up to date", error.__cause__ or error)
            self.plugins.withdraw(name, fault)
            return []

    def start(self, mount: Mount | None = None) -> None:
        """Serve: lock the store, recover, call ``startup``, mount the plugins' routes.

        ``mount(routes, owner)`` takes a plugin's Falcon resources. Raises ConfigurationError.
        """
        if not self.cluster and not self._lock.acquire(LOCK_PATIENCE):
            raise ConfigurationError("store.database: another gateway is using this database")
        self.migrate()
        if os.environ.get("ONEPUSH_TRACE") == "1":
            self.plugins.trace()
        Starting(self.plugins, self.events, self.metrics.registry, mount).run(self)
        self._tell_plugin_states()
        self._open_outlets()
        if self.cluster:
            self.cluster.start(partial(listen, self.settings.store.database, self.cluster.ring))
        else:
            self.dispatcher.recover()
        self._disabled = set(self.engine.read(apps.disabled_apps))
        for loop in (
            self.followup.run,
            self.housekeeping.run_expiry,
            self.housekeeping.run_retention,
            self._watch,
            self._watch_hub,
        ):
            self._greenlets.append(gevent.spawn(loop))

    def _tell_plugin_states(self) -> None:
        """Log who does not take part, and what is odd about the others; show all as a metric from now on."""
        for state in self.plugin_states():
            if state.state == ASIDE:
                log.error("plugin_set_aside", plugin=state.name, reason=state.reason, detail=state.detail)
        for name, remarks in self.plugins.roster.remarks.items():
            for remark in remarks:
                log.warning("plugin_remark", plugin=name, remark=remark)
        self.metrics.show_plugins(
            STATES, lambda: [(state.name, state.state) for state in self.plugin_states()]
        )

    def _open_outlets(self) -> None:
        found = self.plugins.implementations("deliver")
        names = [implementation.plugin_name for implementation in found]
        bits = self.engine.write(lambda transaction: transports.bits_of(transaction, names))
        self.asking.open(self._outlet(implementation, bits) for implementation in found)
        if not found:
            self.calls.warning = explain(self.plugin_states(), installed_plugins(), known_transports())
            log.warning("no_transport", reason=self.warning)

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
            may_leave=self.asking.may_leave,
            tracer=self.plugins.tracer,
            breaker=Breaker(monotonic=self.clock.monotonic),
        )

    def stop(self) -> None:
        """Dispatch no more and let the plugins say goodbye. Requests are still answered until ``close``."""
        self._stopping.set()
        for part in (self.dispatcher, self.followup, self.housekeeping):
            part.stop()
        if self.cluster:
            self.cluster.rest()
        for _ in self.plugins.each("shutdown", SHUTDOWN_DEADLINE):
            pass
        gevent.killall(self._greenlets, timeout=1.0)

    def close(self) -> None:
        """Commit what waits and let go of the store."""
        with ExitStack() as closing:
            closing.callback(self._lock.release)
            closing.callback(self.engine.close)
            if self.cluster:
                closing.callback(self.cluster.close)
                self.ledger.flush()

    def _watch_hub(self) -> None:
        self.metrics.online.set_function(lambda: len(self.presence))
        self.metrics.watch_hub(gevent.sleep, time.monotonic)

    def _watch(self) -> None:
        """Notice what other processes change (``onepush app disable``), and count what is pending."""
        while not self.clock.pause(WATCH, self._stopping):
            with suppress(OnepushError):
                self.look_around()

    def look_around(self) -> None:
        """Compare the store with what was there at the last look. Raises StoreUnavailable."""
        disabled = set(self.engine.read(apps.disabled_apps))
        self.metrics.pending.set(self.engine.read(messages.count_pending))
        for app in disabled - self._disabled:
            self.events.tell("app_disabled", app)
        self._disabled = disabled

    # --- for plugins -------------------------------------------------------------------------

    def on(self, event: str, callback: Callable[[int], object]) -> None:
        """Hear of ``device_removed``, ``device_rebound`` (device key) and ``app_disabled`` (app key)."""
        self.events.on(event, callback)

    def find_device(self, device_id: str) -> Device | None:
        """The registered device of an enabled app with this id (waits)."""
        return self.engine.read(lambda transaction: devices.find_active(transaction, device_id))

    def backlog(self, device: int, after: int, limit: int) -> list[Message]:
        """What is pending for a device, from the message after this key on, oldest first (waits).

        Raises StoreUnavailable, also where several workers serve and it is too early: ``presence.when_alone``
        tells when it is time.
        """
        if self.cluster:
            self.cluster.check_claim(device)
        now = self.clock.now()
        rows = self.engine.read(
            lambda transaction: deliveries.backlog(transaction, device, after, now, limit)
        )
        return [message for message in map(messages.decode, rows) if not self.is_cancelled(message)]

    def record(self, transport: str, message: Message, outcomes: Sequence[Outcome | Outcomes]) -> None:
        """Say later what became of devices: those answered HELD, or served from their backlog."""
        self.ledger.record(message, self._verdicts(transport, message, outcomes))

    def record_within(
        self,
        transaction: Transaction,
        transport: str,
        message: Message,
        outcomes: Sequence[Outcome | Outcomes],
    ) -> None:
        """The same inside a job of ``write``: kept or lost with the rest of the job, and in no metric."""
        self.ledger.write(transaction, message, self._verdicts(transport, message, outcomes))

    def _verdicts(
        self, transport: str, message: Message, outcomes: Sequence[Outcome | Outcomes]
    ) -> list[Verdict]:
        bit = self.asking.find(transport).bit
        return Round(message, ()).accept(transport, bit, gather(outcomes), self.clock.now())

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

    def first_transports(self, message: Message, keys: Sequence[int]) -> list[tuple[Device, str | None]]:
        """Each of these devices with the transport that would try it first, if any does (waits)."""
        online = self.online(keys)
        found = self.engine.read(lambda transaction: devices.by_keys(transaction, keys))
        return [(one, self.asking.first_for(message, one, one.key in online)) for one in found]

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

    def may_leave(self, message: Message) -> bool:
        """False when the message has expired or was cancelled, or this worker was given up by the others."""
        return self.asking.may_leave(message) and self.fence().is_valid()

    def online(self, devices_: Sequence[int]) -> set[int]:
        """Those of these devices that are connected, to whatever worker (waits)."""
        if not self.cluster:
            return self.presence.online(devices_)
        return set(self.engine.read(lambda transaction: presence.holders(transaction, devices_)))

    def is_cancelled(self, message: Message) -> bool:
        """True for a message that was cancelled here while it may still be on its way."""
        return message.key in self._cancelled

    def _tell_confirmed(self, receipts: list[Receipt]) -> None:
        if self.plugins.implementations("on_confirm"):
            self.telling.spawn(self._call_on_confirm, receipts)

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

    # --- for operators -----------------------------------------------------------------------

    def plugin_states(self) -> list[PluginState]:
        """Every installed plugin and its state."""
        return self.plugins.states()

    def hook_order(self) -> dict[str, list[str]]:
        """The plugins' names in the order in which each hook calls them."""
        return self.plugins.order()

    def plugin_details(self) -> dict[str, list[str]]:
        """What plugins with a method ``details(gateway)`` have to tell an operator, line by line."""
        told = {name: self._details_of(plugin) for name, plugin in self.plugins.manager.list_name_plugin()}
        for name, lines in self.plugins.roster.remarks.items():
            told.setdefault(name, []).extend(lines)
        return {name: lines for name, lines in told.items() if lines}

    def _details_of(self, plugin: object) -> list[str]:
        details = getattr(plugin, "details", None)
        try:
            return [str(line) for line in details(self)] if details else []
        except Exception as error:
            return [f"its details fail: {type(error).__name__}"]

    def probe_commit(self) -> None:
        """Commit something. Raises StoreUnavailable when that takes more than two seconds."""
        now = self.clock.now()
        self.engine.write(
            lambda transaction: transaction.execute(PROBE, (now,)) and None,
            timeout=PROBE_PATIENCE,
            place=LAST,
        )

    def probe_cluster(self) -> None:
        """Whether the other workers hear of this one. Raises LeaseLost, BusUnavailable."""
        if self.cluster:
            self.cluster.probe()

    def probe_dispatch(self) -> None:
        """Send a canary through the dispatcher. Raises DispatchStuck after two seconds."""
        self.dispatcher.probe(PROBE_PATIENCE)
