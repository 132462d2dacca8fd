"""Kill -9 at each point between decision and answer: never two SMS for one person and message."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.databases import GIVEN, database_url
from harness.waiting import eventually
from onepush_sms.decisions import CALL_LEASE
from tests.sms.doubles import MASK

ROOT = Path(__file__).resolve().parents[2]
LOST = ("failed", "ambiguous: the gateway stopped in the call")
SENT = ("sent", MASK)


def crash(folder, point):
    """Run a gateway until it kills itself there."""
    command = [sys.executable, "-m", "tests.sms.crashing", str(folder), point]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}/tests", GIVEN: database_url(folder)}
    dead = subprocess.run(command, cwd=ROOT, env=environment, timeout=50, capture_output=True, check=False)
    assert dead.returncode == -signal.SIGKILL, dead.stderr.decode()


@pytest.mark.parametrize(
    ("point", "before", "after", "told"),
    [
        ("in_decision", 0, 1, SENT),
        ("before_call", 0, 0, LOST),
        ("in_call", 1, 0, LOST),
        ("after_answer", 1, 0, LOST),
        ("before_outcome", 1, 0, SENT),
    ],
)
def test_crash_never_sends_twice(tmp_path, make_bench, point, before, after, told):
    """What was committed before the crash decides: the next process sends only what nobody had decided on."""
    crash(tmp_path, point)
    assert len((tmp_path / "sent").read_text().split()) == before
    bench = make_bench({"delay": 0}, ahead=CALL_LEASE / 1000 + 240)
    message = bench.gateway.read(lambda t: t.row("SELECT id FROM message")[0])
    bench.app = bench.gateway.find_message(message).app
    bench.pass_time(0)
    assert bench.trail(message) == [told, told]
    assert len(bench.provider.sent) == after
    assert len(bench.rows()) == 1


def test_crash_in_call_repeats_sms_at_least_once(tmp_path, make_bench):
    """For an app that chose "at least once" a call that its process did not survive is made again."""
    crash(tmp_path, "in_call")
    bench = make_bench({"delay": 0, "at_least_once": True}, ahead=CALL_LEASE / 1000 + 240)
    message = bench.gateway.read(lambda t: t.row("SELECT id FROM message")[0])
    bench.app = bench.gateway.find_message(message).app
    bench.pass_time(0)
    assert bench.trail(message) == [LOST, LOST]
    bench.pass_time(10)
    eventually(lambda: bench.trail(message) == [LOST, SENT] * 2)
    assert len(bench.provider.sent) == 1


def test_restart_within_call_waits(tmp_path, make_bench):
    """While the call of a process that died may still be out, its SMS is neither sent nor given up."""
    crash(tmp_path, "in_call")
    bench = make_bench({"delay": 0})
    bench.gateway.write(lambda t: t.execute("UPDATE delivery SET due = 1") and None)
    eventually(lambda: not bench.gateway.followup.run_due())
    message = bench.gateway.read(lambda t: t.row("SELECT id FROM message")[0])
    bench.app = bench.gateway.find_message(message).app
    eventually(lambda: bench.gateway.read(lambda t: t.row("SELECT min(due) FROM delivery")[0]) > 1)
    assert bench.provider.sent == []
    assert bench.trail(message) == []
    assert bench.rows() == [(0,)]
