"""The engine: jobs that share commits, and what callers hear when the store is in trouble.

Of SQLite, or in the second pass of PostgreSQL; what only one of them knows stands at the end and in
``test_postgres*``.
"""

from __future__ import annotations

import math
import sqlite3
import time

import gevent
import peewee
import psycopg
import pytest
from gevent import monkey

from harness.databases import ON_POSTGRES, database_url, look_into, sqlite_file, writing_alone
from inside_gateway import PATIENCE
from onepush_core.errors import Overloaded, StoreUnavailable, UnknownMessage
from onepush_core.store.database import migrate, open_database
from onepush_core.store.engine import Engine
from onepush_core.store.postgres import PostgresEngine
from onepush_core.store.refused import AGAIN
from onepush_core.store.sqlite import SqliteEngine
from onepush_core.store.sqlite_file import PRAGMAS

# SQLite's jobs run in a native thread, PostgreSQL's in a greenlet: each waits in its own way.
Event = gevent.event.Event if ON_POSTGRES else monkey.get_original("threading", "Event")
TABLE = "CREATE TABLE thing (key INTEGER PRIMARY KEY, text TEXT NOT NULL)"
KEYS = "SELECT key FROM thing ORDER BY key"


@pytest.fixture
def url(tmp_path) -> str:
    return database_url(tmp_path)


@pytest.fixture
def open_engine(url):
    """Open the engine on a database with one table more; SQLite's pragmas and options as asked for."""
    opened = []

    def open_(pragmas=None, **options) -> Engine:
        if ON_POSTGRES:
            migrate(open_database(url))
            engine = PostgresEngine(url, **options)
        else:
            pragmas = {**PRAGMAS, **(pragmas or {})}
            file = peewee.SqliteDatabase(sqlite_file(url), pragmas=pragmas, check_same_thread=False)
            engine = SqliteEngine(file, **options)
        opened.append(engine)
        engine.write(lambda transaction: transaction.execute(TABLE) and None)
        return engine

    yield open_
    for engine in opened:
        engine.close()


@pytest.fixture
def engine(open_engine) -> Engine:
    return open_engine()


def insert(key: int, text: str = "x"):
    """A job that adds a row and answers its key."""

    def job(transaction):
        transaction.execute("INSERT INTO thing(key, text) VALUES (?, ?)", (key, text))
        return key

    return job


def keys(engine: Engine) -> list[int]:
    return engine.read(lambda transaction: [row[0] for row in transaction.rows(KEYS)])


def fail(transaction):
    transaction.execute("INSERT INTO thing(key, text) VALUES (-1, 'x')")
    raise ValueError("my own mistake")


def hold_writer(engine: Engine):
    """Keep the writer busy until the event that this answers is set."""
    entered, release = Event(), Event()

    def job(transaction):
        entered.set()
        release.wait(PATIENCE)

    engine.submit(job)
    with gevent.Timeout(PATIENCE):
        while not entered.is_set():
            gevent.sleep(0.001)
    return release


def test_engine_commits_jobs_together(engine):
    """What comes in while one commit runs shares the next one."""
    transactions = []

    def note(transaction):
        transactions.append(transaction)

    release = hold_writer(engine)
    writers = [gevent.spawn(engine.write, note) for _ in range(50)]
    gevent.sleep(0)
    assert transactions == []
    release.set()
    gevent.joinall(writers, timeout=PATIENCE, raise_error=True)
    assert len(transactions) == 50
    assert len(set(map(id, transactions))) == 1


def test_engine_leaves_the_hub_alone(engine):
    """While a job runs the hub goes on: the job below waits for the hub."""
    release = hold_writer(engine)
    writer = gevent.spawn(engine.write, insert(1))
    ticks = [gevent.sleep(0) for _ in range(10)]
    assert len(ticks) == 10
    assert not writer.ready()
    release.set()
    assert writer.get(timeout=PATIENCE) == 1


def test_engine_spares_jobs_beside_a_failing_one(engine):
    """A job that raises is undone alone, and only its caller hears of it."""
    release = hold_writer(engine)
    writers = [gevent.spawn(engine.write, job) for job in (insert(1), fail, insert(2))]
    gevent.sleep(0)
    release.set()
    gevent.joinall(writers, timeout=PATIENCE)
    assert [writer.value for writer in writers] == [1, None, 2]
    assert isinstance(writers[1].exception, ValueError)
    assert keys(engine) == [1, 2]


def test_engine_settles_in_the_order_of_submission(engine):
    """Over several commits, and with a failing job among them."""
    settled = []
    for number in range(40):
        job = fail if number == 17 else insert(number)
        engine.submit(job, lambda result, error, number=number: settled.append((number, error is None)))
        if number % 10 == 0:
            gevent.sleep(0.002)
    engine.flush()
    assert settled == [(number, number != 17) for number in range(40)]


def test_engine_calls_then_before_the_writer_goes_on(engine):
    """``then`` has run in the order of the commits when ``write`` comes back."""
    order = []

    def write(number):
        engine.write(insert(number), then=lambda key: order.append(("then", key)))
        assert ("then", number) in order

    writers = [gevent.spawn(write, number) for number in range(20)]
    gevent.joinall(writers, timeout=PATIENCE, raise_error=True)
    assert order == [("then", number) for number in range(20)]


def test_engine_survives_a_settle_that_raises(engine):
    """Others of the batch hear of their commit all the same."""
    told = []

    def bad(result, error):
        raise RuntimeError

    engine.submit(insert(1), bad)
    engine.submit(insert(2), lambda result, error: told.append(result))
    engine.flush()
    assert told == [2]


def test_engine_reports_a_locked_store(open_engine, url):
    """Somebody else keeps all writers out: StoreUnavailable, and afterwards it works again."""
    engine = open_engine({"busy_timeout": 20}, patience=0.5)
    with writing_alone(url), pytest.raises(StoreUnavailable):
        engine.write(insert(1))
    assert engine.write(insert(2)) == 2
    assert keys(engine) == [2]


def fill(engine: Engine, stored: list[int]) -> None:
    """Write big rows until that fails."""
    while True:
        stored.append(engine.write(insert(len(stored) + 1, "x" * 4000)))


@pytest.mark.sqlite
def test_engine_reports_a_full_disk(open_engine):
    """No page is left: StoreUnavailable, nothing half written, and what was committed is still there."""
    engine = open_engine({"max_page_count": 12})
    stored = [engine.write(insert(1))]
    with pytest.raises(StoreUnavailable):
        fill(engine, stored)
    assert keys(engine) == stored
    engine.write(lambda transaction: transaction.execute("DELETE FROM thing WHERE key > 1") and None)
    assert engine.write(insert(2)) == 2


def test_engine_reports_an_overfull_queue(open_engine):
    """More waiting jobs than allowed are refused at once, and those that wait are written."""
    engine = open_engine(max_waiting=3)
    release = hold_writer(engine)
    writers = [gevent.spawn(engine.write, insert(key)) for key in range(3)]
    gevent.sleep(0)
    with pytest.raises(Overloaded):
        engine.write(insert(9))
    release.set()
    gevent.joinall(writers, timeout=PATIENCE, raise_error=True)
    assert keys(engine) == [0, 1, 2]


def test_engine_reports_a_late_commit_as_unknown(engine):
    """After the timeout the caller knows nothing: here the job was committed in the end."""
    release = hold_writer(engine)
    with pytest.raises(StoreUnavailable):
        engine.write(insert(1), timeout=0.01)
    release.set()
    engine.flush()
    assert keys(engine) == [1]


def test_engine_reports_a_commit_that_hangs_to_all_who_wait(open_engine):
    """Who waits for the commit in hand or for the next hears so; what was committed in the end is told on."""
    engine = open_engine(patience=0.5)
    release = hold_writer(engine)
    told: list[int] = []

    def write(number: int) -> str:
        try:
            engine.write(insert(number), then=told.append)
        except StoreUnavailable:
            return "unavailable"
        return "written"

    writers = [gevent.spawn(write, number) for number in (1, 2)]
    gevent.joinall(writers, timeout=PATIENCE, raise_error=True)
    assert [one.value for one in writers] == ["unavailable", "unavailable"]
    release.set()
    engine.flush()
    assert keys(engine) == told == [1, 2]
    assert engine.write(insert(3)) == 3


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ValueError, ValueError),
        (UnknownMessage, UnknownMessage),
        (psycopg.DatabaseError if ON_POSTGRES else sqlite3.DatabaseError, StoreUnavailable),
    ],
)
def test_engine_translates_errors_of_a_reading_job(engine, raised, expected):
    """Errors of ours and of the job travel as they are, those of the engine become StoreUnavailable."""

    def job(transaction):
        raise raised

    with pytest.raises(expected):
        engine.read(job)
    assert keys(engine) == []


def test_engine_reads_beside_a_running_commit(engine):
    """A reader does not wait for the writer, and sees what was committed before."""
    engine.write(insert(1))
    release = hold_writer(engine)
    assert keys(engine) == [1]
    release.set()


def test_engine_flushes_what_was_submitted(engine):
    """After ``flush`` everything submitted so far can be read."""
    for key in range(30):
        engine.submit(insert(key))
    engine.flush()
    assert keys(engine) == list(range(30))


def test_engine_commits_what_waits_when_closed(open_engine, url):
    """A stop loses nothing that was submitted."""
    engine = open_engine()
    engine.submit(insert(7))
    engine.flush()
    engine.submit(insert(8))
    engine.close()
    assert look_into(url, KEYS) == [(7,), (8,)]


def test_engine_keeps_a_job_until_it_is_written(open_engine, url):
    """What the store refuses is tried again, and written once."""
    engine = open_engine({"busy_timeout": 20}, patience=0.2)
    refused = gevent.event.Event()
    with writing_alone(url):
        engine.keep(insert(1))
        engine.submit(insert(2), lambda _, error: error and refused.set())
        assert refused.wait(PATIENCE)
    with gevent.Timeout(PATIENCE):
        while not keys(engine):
            gevent.sleep(0.01)
    assert keys(engine) == [1]


class Refused:
    """A job that adds a row, but for the first ``times`` is refused as if the store were in trouble."""

    def __init__(self, key: int, times: float = math.inf) -> None:
        self.times = times
        self.written = 0.0
        self._job = insert(key)

    def __call__(self, transaction):
        if self.times:
            self.times -= 1
            raise StoreUnavailable
        self.written = time.monotonic()
        return self._job(transaction)


def keep_refused(engine: Engine, *jobs: Refused, **options) -> None:
    """Keep jobs, and wait until all have been refused."""
    for job in jobs:
        engine.keep(job, **options)
    refused = gevent.event.Event()
    engine.submit(insert(0), lambda _, error: refused.set())
    assert refused.wait(PATIENCE)


def test_engine_flushes_what_it_keeps(engine):
    """What was refused is tried again at once, in its order."""
    jobs = [Refused(3), Refused(1), Refused(2)]
    keep_refused(engine, *jobs)
    for job in jobs:
        job.times = 0
    began = time.monotonic()
    engine.flush()
    assert time.monotonic() - began < AGAIN
    assert keys(engine) == [0, 1, 2, 3]
    assert sorted(jobs, key=lambda job: job.written) == jobs


def test_engine_flushes_what_is_refused_meanwhile(engine):
    """In one commit with those who wait for it: together, and then alone."""
    engine.keep(Refused(1, times=2))
    engine.flush()
    assert keys(engine) == [1]


def test_engine_reports_what_it_keeps_as_unwritten(engine):
    """``flush`` says so as long as it is refused; when the store is well again it is written, once."""
    job = Refused(1)
    keep_refused(engine, job)
    with gevent.Timeout(PATIENCE), pytest.raises(StoreUnavailable):
        engine.flush()
    job.times = 0
    engine.flush()
    engine.flush()
    assert keys(engine) == [0, 1]


def test_engine_keeps_a_job_however_often_it_is_flushed(engine):
    """Who flushes again and again in an outage does not use up the tries of what is kept."""
    job = Refused(1)
    keep_refused(engine, job, tries=4)
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            engine.flush()
    job.times = 0
    engine.flush()
    assert keys(engine) == [0, 1]


def test_engine_gives_up_a_job_that_it_keeps(engine):
    """After its tries, however often it is flushed; then ``flush`` does not speak of it any more."""
    job = Refused(1)
    keep_refused(engine, job, tries=2)
    with gevent.Timeout(PATIENCE):
        while not flushes(engine):
            gevent.sleep(AGAIN / 5)
    job.times = 0
    engine.flush()
    assert keys(engine) == [0]


def flushes(engine: Engine) -> bool:
    """Whether everything is committed."""
    try:
        engine.flush()
    except StoreUnavailable:
        return False
    return True


def test_engine_does_not_wait_for_a_faulty_job(engine):
    """The store is well and refuses one statement: that must not hold up what everybody else has written."""
    engine.keep(lambda transaction: transaction.execute("INSERT INTO thing(key) VALUES (NULL), (1)"))
    keep_refused(engine)
    engine.keep(insert(2))
    engine.flush()
    assert 2 in keys(engine)


def test_engine_does_not_try_a_faulty_job_at_each_flush(engine):
    """A commit with it falls apart into one for each of its jobs; it has its turn twice a second."""
    runs = []

    def faulty(transaction):
        runs.append(time.monotonic())
        transaction.execute("INSERT INTO thing(key) VALUES (NULL), (1)")

    engine.keep(faulty)
    keep_refused(engine)
    tried = len(runs)
    for _ in range(5):
        engine.flush()
    assert len(runs) <= tried + 2 * ((time.monotonic() - runs[0]) // AGAIN)


def test_engine_commits_what_it_keeps_when_closed(open_engine, url):
    """A stop does not lose what the store has refused a moment ago."""
    engine, job = open_engine(), Refused(1)
    keep_refused(engine, job)
    job.times = 0
    engine.close()
    assert look_into(url, KEYS) == [(0,), (1,)]


def test_engine_runs_what_was_left_for_the_end(engine):
    """A step before the commit comes after all jobs of the batch, once, and what it writes is committed."""
    steps = []

    def job(transaction):
        if "asked" not in transaction.notes:
            transaction.notes["asked"] = True
            transaction.before_commit(lambda last: steps.append(last.row("SELECT count(*) FROM thing")[0]))

    release = hold_writer(engine)
    jobs = [job, insert(1), job, insert(2)]
    writers = [gevent.spawn(engine.write, one) for one in jobs]
    gevent.sleep(0)
    release.set()
    gevent.joinall(writers, timeout=PATIENCE, raise_error=True)
    assert steps == [2]


def test_engine_writes_nothing_when_the_last_step_refuses(engine):
    """An error in a step before the commit undoes the batch; each job is then tried alone."""

    def refuse(transaction):
        raise StoreUnavailable

    def refused(transaction):
        insert(1)(transaction)
        transaction.before_commit(refuse)

    writers = [gevent.spawn(engine.write, job) for job in (refused, insert(2))]
    gevent.joinall(writers, timeout=PATIENCE)
    assert isinstance(writers[0].exception, StoreUnavailable)
    assert keys(engine) == [2]


def test_engine_accepts_like_it_writes(engine):
    """``accept`` commits, calls ``then`` and answers."""
    told = []
    assert engine.accept(insert(1), then=told.append) == 1
    assert keys(engine) == told == [1]
