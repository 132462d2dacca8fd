"""A vendor that hangs is nobody else's trouble."""

from __future__ import annotations

import math
import time

import pytest

from harness.waiting import eventually
from tests.oppo.driver import register_phone

pytestmark = pytest.mark.once  # a vendor in trouble, not the store

SENDS = 150
ROUNDS = 3
SPREAD = 0.01
"""Seconds by which the best of a few rounds differs anyway on a busy machine."""


def slowest(app, alias, socket):
    """The 99th percentile of the seconds from a send to its frame, in the best of a few rounds."""
    return min(percentile(app, alias, socket) for _ in range(ROUNDS))


def percentile(app, alias, socket):
    """The 99th percentile of one round."""
    times = []
    for _ in range(SENDS):
        began = time.perf_counter()
        request = app.send(alias)
        while socket.frame()["id"] != request:
            pass
        times.append(time.perf_counter() - began)
    return sorted(times)[math.ceil(len(times) * 0.99) - 1]


def test_hanging_vendor_slows_nobody(start_gateway, emulator):
    """While every place for OPPO hangs, sockets and another transport are as fast as before."""
    gateway = start_gateway(
        plugins={"load": ["ws", "oppo", "trouble"]},
        oppo={"app_key": "test-app-key", "master_secret": "test-master-secret", "base_url": emulator.url},
    )
    app = gateway.create_app()
    device = app.register("online")
    for number in range(12):
        register_phone(app, f"asleep{number}")
    app.register("other")
    with app.connect(device) as socket:
        before = slowest(app, "online", socket)
        emulator.trouble("hang", times=1000)
        hanging = [app.send(f"asleep{number}") for number in range(12)]
        eventually(lambda: len(emulator.pushes()) >= 8)
        during = slowest(app, "online", socket)
        began = time.perf_counter()
        app.await_counts(app.send("other", options={"trouble": {}}), handedOff=1)
        other = time.perf_counter() - began
    assert all(app.counts(request) == {"pending": 1} for request in hanging)
    assert during <= 1.5 * before + SPREAD
    assert other < 1.0
    emulator.tell("troubles", [])
    gateway.stop()
