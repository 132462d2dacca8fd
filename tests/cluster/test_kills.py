"""Kill -9 of workers, masters and hosts in the middle of a stream: nothing acknowledged is lost (F1, F2)."""

from __future__ import annotations

import itertools
import os
import time

import pytest

from harness.auditor import audit
from harness.process import is_alive
from harness.waiting import eventually

LONG = bool(os.environ.get("ONEPUSH_TEST_LONG"))
CYCLES = 20
pytestmark = [
    pytest.mark.skipif(not LONG, reason="two minutes: ONEPUSH_TEST_LONG=1 runs it"),
    pytest.mark.timeout(300),
]
STREAM = 0.6
"""Seconds for which the stream flows between two kills."""
HEALING = 6.0
"""Seconds after a kill in which its messages may still come again."""


def kill_worker(host):
    """The master stays, and starts another one."""
    before = host.workers()
    host.kill_worker()
    eventually(lambda: len(host.workers()) == len(before))


def kill_master(host):
    """A supervisor starts the gateway again; the orphans let go of the port by themselves."""
    orphans = host.workers()
    host.kill_master()
    host.spawn()
    eventually(lambda: not any(map(is_alive, orphans)))


def kill_host(host):
    """Everything at once, as with a host that loses power."""
    host.kill_all()
    host.spawn()


def test_kills_lose_nothing_acknowledged(start_mortal, start_fleet):
    """Workers, masters and hosts in turn, devices and senders at both: all arrives, in order, and adds up."""
    first, second = start_mortal(workers=2), start_mortal()
    fleet = start_fleet([first, second], groups=40, insist=0.5)
    fleet.send(150)
    kills = itertools.cycle(
        [
            (kill_worker, first),
            (kill_host, second),
            (kill_master, first),
            (kill_worker, second),
            (kill_host, first),
        ]
    )
    for kill, host in itertools.islice(kills, CYCLES):
        time.sleep(STREAM)
        with fleet.fault(heals_in=HEALING):
            kill(host)
            host.await_ready()
    time.sleep(HEALING)
    seen = fleet.finish(patience=40)
    print(seen.summary())
    assert sum(1 for send in seen.history.sends if send.request_id) > 20 * CYCLES
    assert audit(seen.history) == []
