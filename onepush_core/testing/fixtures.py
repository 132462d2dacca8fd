"""Fixtures: a gateway with the plugins of the test, a client, a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from onepush_core.gateway import Gateway
from onepush_core.testing.manual_clock import ManualClock
from onepush_core.testing.rest_client import Client
from onepush_core.testing.stages import Stage


@pytest.fixture
def plugins() -> dict[str, object]:
    """The plugins of ``gateway``, by name. Override it: ``return {"pager": create({…})}``."""
    return {}


@pytest.fixture
def gateway_settings() -> dict[str, dict[str, Any]]:
    """Settings of ``gateway`` by table. Override it: ``return {"delivery": {"resend_gaps": [1.0]}}``."""
    return {}


@pytest.fixture
def clock() -> ManualClock:
    """The clock of ``gateway``: ``clock.advance(300)``."""
    return ManualClock()


@pytest.fixture
def start_gateway(
    tmp_path: Path,
    clock: ManualClock,
    plugins: dict[str, object],
    gateway_settings: dict[str, dict[str, Any]],
) -> Iterator[Callable[..., Stage]]:
    """Start gateways, one after the other on the same database: for a test of what a restart leaves."""
    started: list[Stage] = []

    def start(again: dict[str, object] | None = None) -> Stage:
        while started:
            started.pop().stop()
        chosen = plugins if again is None else again
        started.append(Stage(tmp_path, chosen, clock=clock, settings=gateway_settings))
        return started[-1]

    yield start
    while started:
        started.pop().stop()


@pytest.fixture
def stage(start_gateway: Callable[..., Stage]) -> Stage:
    """``gateway`` with what is around it: ``stage.create_client()`` makes another app."""
    return start_gateway()


@pytest.fixture
def gateway(stage: Stage) -> Gateway:
    """A started gateway with ``plugins`` and no others, on a database of its own."""
    return stage.gateway


@pytest.fixture
def client(stage: Stage) -> Client:
    """An app of ``gateway``, and what its business system can call."""
    return stage.create_client()
