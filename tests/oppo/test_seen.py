"""Receipts that two processes at one PostgreSQL take in at the same time."""

from __future__ import annotations

from functools import partial

import pytest

from harness.races import new_app, overlap, two_gateways
from onepush_core.objects import Registration
from onepush_core.store import devices
from onepush_oppo.plugin import OppoPlugin
from onepush_oppo.seen import remember

pytestmark = pytest.mark.once
NOW = 1_800_000_000_000


class Tables:
    """A plugin that only brings OPPO's tables."""

    migrations = OppoPlugin.migrations


def test_receipt_is_news_to_one_process(tmp_path):
    """The vendor repeats a receipt at another worker before the first has answered: it counts once."""
    with two_gateways(tmp_path, Tables()) as (one, two):
        app = new_app(one)

        def add(token, transaction):
            return devices.register(transaction, app.key, Registration("ann", "ANDROID", token), token, NOW)[
                1
            ]

        keys = [one.write(partial(add, token)) for token in ("a", "b", "c")]

        def take(devices_, transaction):
            return remember(transaction, 1, "push_arrive", devices_, NOW)

        first, second = overlap(
            one.engine, two.engine, partial(take, keys[:2]), lambda: two.write(partial(take, keys[1:]))
        )
    assert (first, second) == (keys[:2], keys[2:])
