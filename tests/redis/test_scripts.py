"""The scripts, called one by one: what comes late or twice changes nothing."""

import uuid

import pytest
import redis

from onepush_redis.names import Names
from onepush_redis.scripts import BEAT, ENTER, SWEEP, WRITE

FAR = 1 << 45


class Entries:
    """What is in Redis under one prefix, and the scripts that change it."""

    def __init__(self, client):
        self.client = client
        self.names = Names(f"test-{uuid.uuid4().hex}", 0)

    def run(self, script, *arguments):
        return self.client.eval(script, 2, self.names.workers, self.names.devices, *arguments)

    def enter(self, worker, epoch, run="run", gone=()):
        return self.run(ENTER, worker, epoch, FAR, run, uuid.uuid4().hex, *gone)

    def write(self, worker, epoch, *changes, table=None):
        return self.run(WRITE, worker, epoch, table or self.table, *changes)

    @property
    def table(self):
        return self.client.hget(self.names.devices, "table")

    def claims(self, device):
        return self.client.hget(self.names.devices, device)

    def workers(self):
        return self.client.hgetall(self.names.workers)


@pytest.fixture
def entries(shared_url):
    """Empty, and taken away at the end."""
    with redis.Redis.from_url(shared_url) as client:
        one = Entries(client)
        yield one
        client.delete(one.names.workers, one.names.devices)


def test_enter_makes_the_table_once(entries):
    """Those who come later find the table of the first, and all begin as not complete."""
    epoch, table, known = entries.enter(1, 1)
    assert (epoch, known) == (1, 0)
    assert entries.enter(2, 1)[1] == table == entries.table
    assert all(marker.split(b":")[1] == b"0" for marker in entries.workers().values())


def test_enter_tells_whether_this_run_knew_us(entries):
    """The same run knows us, or who we were; another run, or a new table, does not."""
    entries.enter(1, 1)
    assert entries.enter(1, 2)[2] == 1
    assert entries.enter(5, 1, gone=[1, 77])[2] == 1
    assert list(entries.workers()) == [b"5"]
    assert entries.enter(5, 2, run="other")[2] == 0
    entries.client.delete(entries.names.devices)
    assert entries.enter(5, 3, run="other")[2] == 0


def test_late_enter_changes_nothing(entries):
    """A registration under an older epoch, done late, leaves the newer one and says which that is."""
    entries.enter(1, 5)
    before = entries.workers()
    assert entries.enter(1, 3)[0] == 5
    assert entries.enter(1, 5)[0] == 5
    assert entries.workers() == before


def test_late_write_changes_nothing(entries):
    """Under an older epoch, for another table, or by nobody: refused."""
    entries.enter(1, 1)
    entries.enter(1, 2)
    assert entries.write(1, 2, 10, 1000) == 1
    assert entries.write(1, 1, 10, "") == 0
    assert entries.write(1, 1, 10, 2000) == 0
    assert entries.write(1, 2, 10, "", table="before") == 0
    assert entries.write(9, 1, 10, 3000) == 0
    assert entries.claims(10) == b"1.2.1000"


def test_beat_needs_registration_and_table(entries):
    """A worker that is forgotten, or whose table is gone, is told so."""
    entries.enter(1, 1)
    table = entries.table
    assert entries.run(BEAT, 1, 1, 1, FAR, "run", table) == 1
    assert entries.workers()[b"1"].startswith(b"1:1:")
    assert entries.run(BEAT, 1, 2, 1, FAR, "run", table) == 0
    assert entries.run(BEAT, 1, 1, 1, FAR, "run", "before") == 0
    assert entries.run(BEAT, 2, 1, 1, FAR, "run", table) == 0


def test_claims_stand_newest_first(entries):
    """Whoever holds a device since later stands first, whatever was written first; a worker has one claim."""
    for worker in (1, 2, 3):
        entries.enter(worker, 1)
    entries.write(2, 1, 10, 2000)
    entries.write(1, 1, 10, 1000)
    entries.write(3, 1, 10, 3000)
    assert entries.claims(10) == b"3.1.3000 2.1.2000 1.1.1000"
    entries.write(1, 1, 10, 4000)
    assert entries.claims(10) == b"1.1.4000 3.1.3000 2.1.2000"
    entries.write(3, 1, 10, "")
    assert entries.claims(10) == b"1.1.4000 2.1.2000"


def test_write_takes_away_what_does_not_count(entries):
    """Claims of the dead, and of epochs that are over, go when their device is written."""
    for worker in (1, 2):
        entries.enter(worker, 1)
        entries.write(worker, 1, 10, worker, 11, worker)
    entries.client.hdel(entries.names.workers, 1)
    entries.enter(2, 2)
    entries.enter(3, 1)
    entries.write(3, 1, 10, 30)
    assert entries.claims(10) == b"3.1.30"
    entries.write(3, 1, 11, "")
    assert entries.claims(11) is None


def test_sweep_leaves_what_counts(entries):
    """Only claims that do not count go; the table stays the one it was."""
    for worker in (1, 2):
        entries.enter(worker, 1)
    entries.write(1, 1, 10, 1, 11, 1)
    entries.write(2, 1, 10, 2)
    entries.client.hdel(entries.names.workers, 1)
    table = entries.table
    assert entries.run(SWEEP, 0, 1000) == [b"0", 2]
    assert (entries.claims(10), entries.claims(11), entries.table) == (b"2.1.2", None, table)
