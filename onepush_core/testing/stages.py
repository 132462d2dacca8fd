"""A gateway in this process with only the plugins given: started, driven and stopped by a test."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import msgspec
import peewee
from falcon.testing import TestClient

from onepush_core import api
from onepush_core.clock import Clock
from onepush_core.gateway import Gateway
from onepush_core.plugins import load_plugins
from onepush_core.settings import Settings
from onepush_core.store import workers
from onepush_core.store.transaction import Transaction
from onepush_core.testing.manual_clock import ManualClock
from onepush_core.testing.rest_client import Client

PATIENCE = 10.0
Tables = Mapping[str, Mapping[str, Any]]


class Stage:
    """A started gateway on a database in ``folder`` unless ``settings`` name one, and its REST side.

    ``plugins``: objects as an entry point's callable makes them, by name. ``settings``: tables of the
    core, as in the configuration file. ``clock``: a ``ManualClock`` takes the gateway along when it is moved.
    """

    def __init__(
        self,
        folder: Path,
        plugins: Mapping[str, object] | None = None,
        *,
        clock: Clock | None = None,
        settings: Tables | None = None,
    ) -> None:
        self.clock = clock or Clock()
        loaded = load_plugins({}, [], monotonic=self.clock.monotonic)
        for name, plugin in sorted((plugins or {}).items()):  # the order of a real start
            loaded.register(plugin, name, "0")
        store = {"database": f"sqlite:///{folder}/onepush.db"}
        chosen = msgspec.convert({"store": store, **(settings or {})}, Settings)
        self.gateway = Gateway(chosen, plugins=loaded, clock=self.clock)
        if isinstance(self.gateway.database, peewee.SqliteDatabase):
            # No test outlives the machine: commits need not reach the disk.
            self.gateway.database.pragma("synchronous", "off", permanent=True)
        application = api.create_app(self.gateway)
        try:
            self.gateway.start(partial(api.mount, application))
        except BaseException:
            self.gateway.close()
            raise
        self.http = TestClient(application)
        if isinstance(self.clock, ManualClock):
            self.clock.follow(self)

    def create_client(self, name: str = "test") -> Client:
        """A new app, and what its business system can call."""
        made = self.gateway.create_app(name)
        return Client(self.gateway, self.http, made["appId"], made["appKey"], self.settle)

    def stop(self) -> None:
        """Stop as on TERM, and let go of the database."""
        if isinstance(self.clock, ManualClock):
            self.clock.leave(self)
        try:
            self.gateway.stop()
        finally:
            self.gateway.close()

    # --- time ---------------------------------------------------------------------------------

    def next_stop(self, after: int) -> int | None:
        """When the next delivery comes due or message expires after this time, in milliseconds."""
        return self.gateway.read(partial(_next_stop, after))

    def look(self) -> None:
        """What the gateway's own loops do every half second or so."""
        while self.gateway.followup.run_due():
            pass
        self.gateway.housekeeping.expire()
        self.gateway.housekeeping.prune()
        self.gateway.look_around()

    def settle(self) -> None:
        """Wait until no message is under way and all that was said is on disk.

        What a plugin does by itself, and reports later, is not waited for.
        """
        self.gateway.flush()
        await_that(self._is_idle, "a message is still under way")
        self.gateway.flush()

    def _is_idle(self) -> bool:
        gateway = self.gateway
        if has_untaken(gateway) or not gateway.dispatcher.idle():
            return False
        return gateway.asking.idle() and not gateway.telling


def has_untaken(gateway: Gateway) -> bool:
    """Where workers share a store, one takes up what is in it beside its start: whether it has yet to.

    A lane may be this worker's in the store before the worker itself has learnt of it. One that stops takes
    nothing up.
    """
    if not gateway.cluster or gateway.dispatcher.stopping:
        return False
    key = gateway.cluster.session.lease.key
    return bool(gateway.engine.read(lambda transaction: workers.apps_to_wake(transaction, key)))


def _next_stop(after: int, transaction: Transaction) -> int | None:
    questions = (
        "SELECT min(due) FROM delivery WHERE due > ?",
        "SELECT min(expires_at) FROM message WHERE finished_at IS NULL AND expires_at > ?",
    )
    rows = [transaction.row(question, (after,)) for question in questions]
    return min((row[0] for row in rows if row is not None and row[0] is not None), default=None)


def await_that(look: Callable[[], object], problem: str = "it did not happen") -> None:
    """Wait until ``look()`` is true, ten seconds at most. Raises AssertionError with ``problem``."""
    patient_until = time.monotonic() + PATIENCE
    while not look():
        if time.monotonic() > patient_until:
            raise AssertionError(f"{problem}, after {PATIENCE:g} s")
        gevent.sleep(0.001)
