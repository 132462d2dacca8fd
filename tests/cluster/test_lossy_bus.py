"""A bus that loses and repeats a third of what it is given: a delay of some seconds, never a message."""

from __future__ import annotations

import os
import time

import pytest

from harness.app import AppClient
from harness.auditor import audit
from harness.databases import empty_databases, look_into, postgres_url
from harness.waiting import eventually
from tests.cluster.conftest import REDIS, missing, starting_hosts, why_no_redis

LONG = bool(os.environ.get("ONEPUSH_TEST_LONG"))
SECONDS = 60.0 if LONG else 6.0
FEW_SECONDS = 10.0
"""A page that got lost is handed over again after three, and may get lost again."""
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def start_lossy(postgres, tmp_path_factory):
    """Start gateways on one database, whose bus is ``onepush_lossy`` before the Redis of this machine."""
    if reason := why_no_redis():
        missing(reason)
    folder = tmp_path_factory.mktemp("database")
    lossy = {
        "plugins": {"load": ["ws", "lossy"], "required": ["ws", "lossy"]},
        "cluster": {"bus": f"lossy+{REDIS}"},
    }
    with starting_hosts(tmp_path_factory.mktemp, postgres_url(folder), lossy) as start:
        yield start
    empty_databases(folder)


def leave_lane(gateway):
    """The gateway stops, and its lane is anybody's before the lost page comes due."""

    def owners():
        return look_into(gateway.database, "SELECT worker FROM lane")

    before = owners()
    gateway.process.terminate()
    eventually(lambda: owners() != before, patience=2.8, pause=0.02)


@pytest.mark.parametrize("moves", [0.0, 4.0])
def test_lossy_bus_costs_delay_and_no_message(start_lossy, start_fleet, moves):
    """Two hosts, three workers: all arrives, once, in order, within seconds; also while devices move."""
    fleet = start_fleet([start_lossy(workers=2), start_lossy()], groups=40)
    fleet.send(60)
    fleet.move(moves)
    time.sleep(SECONDS)
    seen = fleet.finish(patience=40)
    assert set(seen.outcome_counts()) == {200}
    assert audit(seen.history) == []
    began = {send.request_id: send.began for send in seen.history.sends}
    delays = [frame.at - began[frame.message_id] for frame in seen.history.frames]
    print(f"{seen.summary()}, longest delay {max(delays):.1f} s")
    assert max(delays) > 1.0, "nothing was lost: there is nothing to be seen here"
    assert max(delays) < FEW_SECONDS


def test_deaf_bus_keeps_the_order_when_a_lane_changes_hands(start_lossy):
    """The second message is dispatched by the worker that never heard of the first: that one goes first."""
    first, second = (start_lossy(lossy={"lose": 1.0}) for _ in range(2))
    here = first.create_app()
    there = AppClient(second.url, here.id, here.key)
    device = here.register("ann")
    with there.connect(device) as connection:
        sent = [here.send("ann")]
        leave_lane(first)
        sent.append(there.send("ann"))
        assert [frame["id"] for frame in connection.frames(2)] == sent
    there.close()


def test_deaf_bus_keeps_the_order_at_a_worker_that_has_heard_nothing_yet(start_lossy):
    """A lost page was the first of its app there: what another worker hands over next waits for it, too."""
    first, second, third = (start_lossy(lossy={"lose": share}) for share in (1.0, 0.0, 0.0))
    here = first.create_app()
    far, there = (AppClient(one.url, here.id, here.key) for one in (second, third))
    one, other = here.register("ann"), here.register("bob")
    with far.connect(one) as lucky, far.connect(other) as connection:
        sent = [here.send("bob")]
        leave_lane(first)
        sent += [there.send("ann"), there.send("bob")]
        assert lucky.frame()["id"] == sent.pop(1)
        assert [frame["id"] for frame in connection.frames(2)] == sent
    there.close()
    far.close()
