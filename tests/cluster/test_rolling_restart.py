"""A rolling restart of two hosts in the middle of a stream: nobody but the devices that reconnect notices."""

from __future__ import annotations

import os
import time

import pytest

from harness.auditor import audit
from harness.waiting import eventually

LONG = bool(os.environ.get("ONEPUSH_TEST_LONG"))
SOCKETS, RATE = (2000, 200) if LONG else (400, 100)
HEALING = 4.0
RESTART = 1012
"""Service Restart (RFC 6455, registry of close codes)."""
pytestmark = pytest.mark.timeout(300)


def restart(host):
    """As a deployment does: TERM, and start again."""
    assert host.terminate() < 10
    host.start()


def test_rolling_restart_is_noticed_by_nobody(start_mortal, start_fleet):
    """No request that was taken fails; sockets are told 1012; nothing is lost, and the order is kept."""
    hosts = [start_mortal(workers=2), start_mortal()]
    fleet = start_fleet(hosts, groups=SOCKETS // 2)
    fleet.send(RATE)
    time.sleep(1.0)
    for host in hosts:
        with fleet.fault(heals_in=HEALING):
            restart(host)
        eventually(lambda: fleet.connected() == fleet.size, patience=20)
        time.sleep(HEALING)
    seen = fleet.finish(patience=40)
    print(seen.summary())
    assert set(seen.outcome_counts()) <= {200, "refused"}  # refused: asked again, at the other host
    assert {goodbye.code for goodbye in seen.goodbyes} == {RESTART}
    assert len(seen.goodbyes) >= fleet.size
    assert audit(seen.history) == []
    times = sorted(goodbye.at for goodbye in seen.goodbyes)
    assert times[-1] - times[0] > 1.0
