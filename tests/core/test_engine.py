"""The engine: jobs that share commits, and what callers hear when the store is in trouble."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import gevent
import peewee
import pytest
from gevent import monkey

from inside_gateway import PATIENCE
from onepush_core.errors import Overloaded, StoreUnavailable, UnknownMessage
from onepush_core.store.database import PRAGMAS
from onepush_core.store.engine import SqliteEngine

NativeEvent = monkey.get_original("threading", "Event")
TABLE = "CREATE TABLE thing (key INTEGER PRIMARY KEY, text TEXT NOT NULL)"


@pytest.fixture
def open_engine(tmp_path):
    """Open the engine on a file with one table; more pragmas and options as asked for."""
    opened = []

    def open_(pragmas=None, **options) -> SqliteEngine:
        database = peewee.SqliteDatabase(
            str(tmp_path / "x.db"), pragmas={**PRAGMAS, **(pragmas or {})}, check_same_thread=False
        )
        engine = SqliteEngine(database, **options)
        opened.append(engine)
        engine.write(lambda transaction: transaction.execute(TABLE) and None)
        return engine

    yield open_
    for engine in opened:
        engine.close()


@pytest.fixture
def engine(open_engine) -> SqliteEngine:
    return open_engine()


def insert(key: int, text: str = "x"):
    """A job that adds a row and answers its key."""

    def job(transaction):
        transaction.execute("INSERT INTO thing(key, text) VALUES (?, ?)", (key, text))
        return key

    return job


def keys(engine: SqliteEngine) -> list[int]:
    return engine.read(lambda transaction: [row[0] for row in transaction.rows("SELECT key FROM thing")])


def fail(transaction):
    transaction.execute("INSERT INTO thing(key, text) VALUES (-1, 'x')")
    raise ValueError("my own mistake")


def hold_writer(engine: SqliteEngine):
    """Keep the writer's thread busy until the event that this answers is set."""
    entered, release = NativeEvent(), NativeEvent()

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
    statements: list[str] = []
    engine.write(
        lambda transaction: transaction.execute("SELECT 1").connection.set_trace_callback(statements.append)
    )
    release = hold_writer(engine)
    writers = [gevent.spawn(engine.write, insert(key)) for key in range(50)]
    gevent.sleep(0)
    release.set()
    gevent.joinall(writers, timeout=PATIENCE, raise_error=True)
    assert len(keys(engine)) == 50
    assert statements.count("COMMIT") == 3  # the job with the callback, the held one, all the others


def test_engine_leaves_the_hub_alone(engine):
    """While a job runs in its thread the hub goes on: the job below waits for the hub."""
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


def test_engine_reports_a_locked_file(open_engine, tmp_path):
    """Another process holds the write lock: StoreUnavailable, and afterwards it works again."""
    engine = open_engine({"busy_timeout": 20})
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            engine.write(insert(1))
        other.execute("ROLLBACK")
    assert engine.write(insert(2)) == 2
    assert keys(engine) == [2]


def fill(engine: SqliteEngine, stored: list[int]) -> None:
    """Write big rows until that fails."""
    while True:
        stored.append(engine.write(insert(len(stored) + 1, "x" * 4000)))


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
    [(ValueError, ValueError), (UnknownMessage, UnknownMessage), (sqlite3.DatabaseError, StoreUnavailable)],
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


def test_engine_commits_what_waits_when_closed(open_engine, tmp_path):
    """A stop loses nothing that was submitted."""
    engine = open_engine()
    engine.submit(insert(7))
    engine.flush()
    engine.submit(insert(8))
    with closing(sqlite3.connect(tmp_path / "x.db")) as other:
        engine.close()
        assert other.execute("SELECT key FROM thing ORDER BY key").fetchall() == [(7,), (8,)]
