"""Budgets: how they are counted, and that no concurrency gets one over them."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import gevent
import pytest

from harness.databases import database_url
from harness.waiting import eventually
from onepush_sms.budgets import charge, counters, give_back
from onepush_sms.objects import Answer, Verdict
from onepush_sms.pruning import prune
from onepush_sms.rows import State
from onepush_sms.sending import SETTLING
from onepush_sms.settings import AppSettings
from tests.sms.doubles import NUMBER

ROOT = Path(__file__).resolve().parents[2]
SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text, zone=SHANGHAI):
    """Milliseconds since the epoch of a local time."""
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def test_counters_follow_calendar_of_zone():
    """A day begins at midnight in the app's time zone, an hour with the clock's hour."""
    settings = AppSettings(number_hourly_budget=1)
    before, after = at("2026-11-22T23:59:59"), at("2026-11-23T00:00:00")
    periods = [[one.period for one in counters(settings, SHANGHAI, "n", time)] for time in (before, after)]
    assert periods[0] == ["2026-11-22", "2026-11-22T23+0800", "2026-11-22"]
    assert periods[1] == ["2026-11-23", "2026-11-23T00+0800", "2026-11-23"]


def test_counters_tell_repeated_hours_apart():
    """When the clock is set back, the two hours of one name are two hours."""
    zone = ZoneInfo("Europe/Berlin")
    first = at("2026-10-25T02:30:00", zone)
    hours = {counters(AppSettings(), zone, "n", time)[1].period for time in (first, first + 3_600_000)}
    assert len(hours) == 2


def test_counters_leave_out_unlimited():
    """A budget that is None is not counted."""
    settings = AppSettings(daily_budget=None, number_hourly_budget=None, number_daily_budget=None)
    assert counters(settings, SHANGHAI, "n", 0) == []


def test_charge_takes_all_or_nothing(bench):
    """When the last budget is too small, the earlier ones are as they were."""
    settings = AppSettings(daily_budget=10, number_hourly_budget=9, number_daily_budget=3)
    counted = counters(settings, SHANGHAI, "n", 0)
    take = lambda segments: bench.gateway.write(lambda t: charge(t, 1, counted, segments, 0))  # noqa: E731
    assert take(2) is None
    assert take(2) == "daily budget of the number"
    assert sorted(bench.used().values()) == [2, 2, 2]
    assert take(1) is None
    assert sorted(bench.used().values()) == [3, 3, 3]


def test_give_back_never_goes_below_zero(bench):
    """A refund of what was never charged changes nothing."""
    counted = counters(AppSettings(), SHANGHAI, "n", 0)
    bench.gateway.write(lambda t: charge(t, 1, counted, 1, 0))
    bench.gateway.write(lambda t: [give_back(t, 1, counted, 1) for _ in range(3)] and None)
    assert set(bench.used().values()) == {0}


@pytest.mark.parametrize(
    ("budget", "people"),
    [("daily_budget", 200), ("number_hourly_budget", 1)],
)
def test_budget_is_exact_under_concurrency(make_bench, budget, people):
    """200 concurrent sends against a budget of 50 give exactly 50 SMS; the rest is told by name."""
    limits = {"daily_budget": 1000, "number_hourly_budget": 1000, "number_daily_budget": 1000, budget: 50}
    bench = make_bench({"delay": 0, **limits})
    aliases = [f"user{index}" for index in range(people)]
    for index, alias in enumerate(aliases):
        bench.register(alias, f"137{index:08d}")
    greenlets = [gevent.spawn(bench.begin, aliases[index % people]) for index in range(200)]
    messages = [greenlet.get(timeout=30) for greenlet in greenlets]
    for message in messages:
        bench.await_round(message)
    bench.pass_time(SETTLING)
    while not all(bench.trail(message) for message in messages):
        bench.pass_time(1)  # more than may wait for a place come again a second later
    assert len(bench.provider.sent) == 50
    reasons = [bench.trail(message)[0][1] for message in messages]
    assert sum(reason.startswith("dropped: over ") for reason in reasons) == 150


def test_budget_is_exact_across_processes(tmp_path, bench):
    """Three processes that charge one budget at once never take more than there is, nor less."""
    command = [sys.executable, "-m", "tests.sms.charging", database_url(tmp_path), "50", "40"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}/tests"}
    others = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for other in others:
        other.stdin.write("\n")
        other.stdin.flush()
    taken = [int(other.communicate(timeout=30)[0]) for other in others]
    assert sum(taken) == 50
    assert bench.used() == {("", "day"): 50}


def test_budget_counts_segments(make_bench):
    """A long text takes as many units as it has segments."""
    bench = make_bench({"daily_budget": 3})
    bench.register("ann", NUMBER)
    first, second = (bench.send(text="x" * 200) for _ in range(2))
    bench.pass_time()
    eventually(lambda: bench.trail(first) and bench.trail(second))
    assert len(bench.provider.sent) == 1
    assert [bench.trail(one)[0][1] for one in (first, second)].count("dropped: over daily budget") == 1


@pytest.mark.parametrize(
    ("verdict", "used", "state"),
    [
        (Verdict.REFUSED, 0, State.REFUSED),
        (Verdict.BAD_NUMBER, 0, State.REFUSED),
        (Verdict.NUMBER_LIMIT, 0, State.DROPPED),
        (Verdict.LATER, 0, State.RETRY),
        (Verdict.AMBIGUOUS, 1, State.AMBIGUOUS),
    ],
)
def test_refused_sms_is_given_back(bench, verdict, used, state):
    """What the provider refused costs nothing; what it may have sent does. Only its rate is worth a retry."""
    bench.provider.answers = [Answer(verdict, "so")]
    bench.register("ann", NUMBER)
    message = bench.send()
    bench.pass_time()
    eventually(lambda: bench.trail(message))
    assert set(bench.used().values()) == {used}
    assert bench.rows() == [(state,)]


def test_dropped_sms_leaves_delivery_pending(make_bench):
    """Over a budget only the SMS is dropped: trail, status and metrics say so, and the delivery stays."""
    bench = make_bench({"delay": 0, "daily_budget": 0})
    bench.register("ann", NUMBER)
    message = bench.send()
    eventually(lambda: bench.trail(message) == [("failed", "dropped: over daily budget")])
    labels = {"provider": "fake", "result": "dropped", "reason": "dropped: over daily budget"}
    assert bench.gateway.metrics.registry.get_sample_value("onepush_sms_total", labels) == 1
    assert bench.counts(message) == {"pending": 1}
    assert bench.gateway.status(bench.app, message)["transports"]["sms"]["failed"] == 1


def test_dropped_sms_tells_limit_of_provider(bench):
    """A provider that had enough of a number drops the SMS, by its own code."""
    bench.provider.answers = [Answer(Verdict.NUMBER_LIMIT, "aliyun isv.BUSINESS_LIMIT_CONTROL")]
    bench.register("ann", NUMBER)
    message = bench.send()
    bench.pass_time()
    eventually(lambda: bench.trail(message) == [("failed", "dropped: aliyun isv.BUSINESS_LIMIT_CONTROL")])


def test_budgets_of_apps_are_apart(make_bench):
    """One app's SMS are not counted against another's budget."""
    bench = make_bench({"delay": 0, "daily_budget": 1})
    for _ in range(2):
        bench.register("ann", NUMBER)
        message = bench.send()
        eventually(lambda one=message: bench.trail(one))
        bench.app = bench.add_app()
    assert len(bench.provider.sent) == 2


def test_pruning_forgets_old_budgets_and_messages(bench):
    """Budgets of days gone by go, and the SMS of messages that the core has forgotten."""
    bench.register("ann", NUMBER)
    message = bench.send()
    bench.pass_time()
    eventually(lambda: bench.trail(message))
    assert bench.gateway.write(lambda t: prune(t, bench.clock.now())) == 0
    assert bench.used()
    bench.gateway.write(lambda t: t.execute("DELETE FROM message") and None)
    assert bench.gateway.write(lambda t: prune(t, bench.clock.now() + 3 * 86_400_000)) == 1
    assert (bench.used(), bench.rows()) == ({}, [])
