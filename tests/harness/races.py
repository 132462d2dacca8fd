"""Two processes at one PostgreSQL database, as two engines, and jobs of theirs that overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

from harness.databases import POOL, REQUIRED, missing_server, postgres_url
from onepush_core.gateway import Gateway
from onepush_core.objects import App
from onepush_core.plugins import Plugins, load_plugins
from onepush_core.settings import Settings, StoreSettings
from onepush_core.store.engine import Engine
from onepush_core.store.transaction import Transaction
from onepush_core.store.writer import Job

PATIENCE = 20.0
WHILE = 0.3


@contextmanager
def two_gateways(folder: Path, *plugins: object) -> Iterator[list[Gateway]]:
    """Two gateways with these plugins at one database; they are not started, and dispatch nothing."""
    missing = missing_server()
    if missing and not REQUIRED:
        pytest.skip(missing)
    settings = Settings(store=StoreSettings(database=postgres_url(folder), pool=POOL))
    made = [Gateway(settings, plugins=_loaded(plugins)) for _ in range(2)]
    made[0].migrate()
    for gateway in made:
        gateway.dispatcher.stop()
    yield made
    for gateway in made:
        gateway.engine.close()


def _loaded(plugins: Iterable[object]) -> Plugins:
    loaded = load_plugins({}, [])
    for number, plugin in enumerate(plugins):
        loaded.register(plugin, f"plugin{number}")
    return loaded


def new_app(gateway: Gateway) -> App:
    """An app, though nobody can authenticate yet."""
    app = gateway.directory.find(gateway.create_app("test")["appId"])
    assert app is not None
    return app


def overlap(one: Engine, two: Engine, first: Job, second: Callable[[], Any], early: bool = False) -> Any:
    """Run ``first`` on ``one``; when it has done its work and has yet to commit, call ``second``.

    ``early``: the counters of ``first`` are not written yet either. What both answered.
    """
    working = Event()
    results: list[Any] = []

    def pause(transaction: Transaction) -> None:
        working.set()
        gevent.sleep(WHILE)

    def job(transaction: Transaction) -> Any:
        if early:
            transaction.before_commit(pause)
        result = first(transaction)
        if not early:
            transaction.before_commit(pause)
        return result

    running = gevent.spawn(one.write, job)
    assert working.wait(PATIENCE)
    results.append(second())
    return [running.get(timeout=PATIENCE), *results]
