"""The SMS budget of two gateways on one database is one budget."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.app import AppClient
from harness.databases import empty_databases, postgres_url
from harness.needs import present
from harness.waiting import eventually
from tests.cluster.conftest import starting_hosts

BUDGET, PEOPLE = 20, 60


@pytest.fixture
def texting(postgres, tmp_path_factory):
    """Two gateways of two workers that write their SMS into one file, and the file."""
    folder = tmp_path_factory.mktemp("sms")
    place = folder / "sms.log"
    tables = {
        "plugins": {"load": present("ws", "sms"), "required": present("ws", "sms")},
        "sms": {"provider": "file", "daily_budget": BUDGET},
        "sms.file": {"path": str(place)},
    }
    with starting_hosts(tmp_path_factory.mktemp, postgres_url(folder), tables) as start:
        yield start(workers=2), start(workers=2), place
    empty_databases(folder)


def test_budget_is_exact_across_hosts(texting):
    """Sixty people at once, now here, now there, and a budget of twenty: twenty SMS; the rest is told why."""
    first, second, place = texting
    here = first.create_app()
    clients = [here, AppClient(second.url, here.id, here.key)]
    for number in range(PEOPLE):
        here.register(f"user{number}", mobile=f"137{number:08d}")

    def send(number):
        return clients[number % 2].send(f"user{number}", smsMessage="hello", smsDelay=0)

    with ThreadPoolExecutor(16) as pool:
        messages = list(pool.map(send, range(PEOPLE)))
    eventually(lambda: all(map(here.trail, messages)), patience=40, pause=0.5)
    clients[1].close()
    assert len([json.loads(line) for line in place.read_text().splitlines()]) == BUDGET
    told = [here.trail(one)[-1]["reason"] for one in messages]
    assert told.count("dropped: over daily budget") == PEOPLE - BUDGET
