"""The PostgreSQL engine: lost connections, lost answers, silent servers, and others who write as well."""

from __future__ import annotations

from contextlib import contextmanager

import gevent
import psycopg
import pytest
from gevent.event import Event

from harness.databases import REQUIRED, look_into, missing_server, postgres_url
from harness.postgres import Proxy
from inside_gateway import PATIENCE
from onepush_core.errors import StoreUnavailable
from onepush_core.store.database import migrate, open_database
from onepush_core.store.postgres import PostgresEngine
from onepush_core.store.postgres_transaction import to_postgres

pytestmark = pytest.mark.once
TABLE = "CREATE TABLE thing (key BIGSERIAL PRIMARY KEY, name TEXT UNIQUE, number BIGINT NOT NULL DEFAULT 0)"
ALL_NUMBERS = "SELECT number FROM thing ORDER BY key"
SOON = 0.3
COMMIT = b"COMMIT\0"  # as the protocol has it


@pytest.fixture
def url(tmp_path) -> str:
    """A migrated database with one table more."""
    missing = missing_server()
    if missing and not REQUIRED:
        pytest.skip(missing)
    url = postgres_url(tmp_path)
    migrate(open_database(url))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)
        connection.execute("INSERT INTO thing(name) VALUES ('one'), ('two')")
    return url


@pytest.fixture
def open_engine(url, proxy):
    """Engines on the database; ``by``: through the proxy."""
    opened = []

    def open_(by=None, **options) -> PostgresEngine:
        way = url if by is None else by_port(url, by.port)
        opened.append(PostgresEngine(way, **options))
        return opened[-1]

    yield open_
    for engine in opened:
        engine.close()


@pytest.fixture
def proxy(url):
    """A way to the server that can be cut or clogged."""
    made = Proxy(psycopg.conninfo.conninfo_to_dict(url).get("port", 5432))
    yield made
    made.clogged = False
    made.close()


def by_port(url: str, port: int) -> str:
    """The same database by another port of this machine."""
    given = psycopg.conninfo.conninfo_to_dict(url)
    return f"postgresql://{given['user']}:{given.get('password', '')}@127.0.0.1:{port}/{given['dbname']}"


def add(name: str):
    """A job that counts for a thing, and answers how often it has run."""
    runs = []

    def job(transaction):
        runs.append(name)
        transaction.execute("UPDATE thing SET number = number + 1 WHERE name = ?", (name,))
        return len(runs)

    return job


def numbers(url: str) -> list[int]:
    return [row[0] for row in look_into(url, ALL_NUMBERS)]


@contextmanager
def at_once(*jobs):
    """Run functions as greenlets, and wait for all of them."""
    running = [gevent.spawn(job) for job in jobs]
    yield running
    gevent.joinall(running, timeout=PATIENCE, raise_error=True)


def in_the_end(call):
    """What it returns, tried again as its callers are told to: SOON is short for a busy machine."""
    with gevent.Timeout(PATIENCE):
        while True:
            try:
                return call()
            except StoreUnavailable:
                gevent.sleep(0.02)


def only(what: bytes, fate: str):
    """Once, when a client says this."""
    left = [fate]
    return lambda text: left.pop() if what in text and left else "pass"


def test_lost_answer_of_a_commit_is_asked_for(open_engine, proxy, url):
    """The server committed and its answer got lost: the caller hears that it is written, and it is, once."""
    engine = open_engine(proxy)
    engine.write(add("one"))
    proxy.on_words = only(COMMIT, "lose")
    assert engine.write(add("one")) == 1
    assert numbers(url) == [2, 0]


def test_commit_that_did_not_arrive_is_not_written(open_engine, proxy, url):
    """The connection was lost before the COMMIT: the caller hears so, and nothing is there."""
    engine = open_engine(proxy)
    engine.write(add("one"))
    proxy.on_words = only(COMMIT, "cut")
    with pytest.raises(StoreUnavailable):
        engine.write(add("one"))
    assert numbers(url) == [1, 0]
    engine.write(add("one"))
    assert numbers(url) == [2, 0]


@pytest.mark.parametrize("fate", ["lose", "cut"])
def test_kept_job_counts_once(open_engine, proxy, url, fate):
    """Whether the COMMIT arrived or not: what is kept is written in the end, and never twice."""
    engine = open_engine(proxy)
    engine.flush()
    proxy.on_words = only(COMMIT, fate)
    engine.keep(add("one"))
    with gevent.Timeout(PATIENCE):
        while not numbers(url)[0]:
            gevent.sleep(0.02)
    gevent.sleep(1)  # a job that was thought lost would be tried again by now
    engine.flush()
    assert numbers(url) == [1, 0]


def test_commit_in_doubt_waits_for_the_server(open_engine, proxy, url):
    """While the server cannot be asked nothing else is written; those who wait too long are told so."""
    engine = open_engine(proxy, patience=SOON)
    engine.write(add("one"))

    def lose_and_clog(text):
        fate = lost(text)
        proxy.clogged = fate == "lose"
        return fate

    lost, settled = only(COMMIT, "lose"), []
    proxy.on_words = lose_and_clog
    engine.submit(add("one"), lambda result, error: settled.append((result, error)))
    gevent.sleep(0)
    with pytest.raises(StoreUnavailable):
        engine.write(add("two"))
    assert settled == []
    proxy.clogged = False
    in_the_end(engine.flush)
    assert settled == [(1, None)]
    assert numbers(url)[0] == 2


@pytest.mark.parametrize("what", ["read", "write", "accept"])
def test_silent_server_is_not_waited_for(open_engine, proxy, what):
    """It takes the connection, or has taken it before, and says nothing: the caller hears so in time."""
    engine = open_engine(proxy, patience=SOON)
    work = getattr(engine, what)
    for _ in range(2):
        proxy.clogged = True
        with gevent.Timeout(10 * SOON), pytest.raises(StoreUnavailable):
            work(lambda transaction: transaction.row("SELECT 1"))
        proxy.clogged = False
        assert in_the_end(lambda: work(lambda transaction: transaction.row("SELECT 1"))) == (1,)


def test_terminated_connections_are_made_anew(open_engine, url):
    """An operator ends all connections: what comes next is read and written as if nothing had been."""
    engine = open_engine()
    for work in (engine.read, engine.write, engine.accept):
        work(lambda transaction: transaction.row("SELECT 1"))
    look_into(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    for work in (engine.read, engine.write, engine.accept):
        assert work(lambda transaction: transaction.row("SELECT 1")) == (1,)


def test_terminated_transaction_writes_nothing(open_engine, url):
    """The connection is ended in the middle of a transaction: its jobs hear so, kept ones are repeated."""
    engine = open_engine()
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"
    ended = []

    def job(transaction):
        transaction.execute("UPDATE thing SET number = number + 1 WHERE name = 'one'")
        if not ended:
            ended.extend(look_into(url, end + " AND datname = current_database()"))

    engine.keep(job)
    with pytest.raises(StoreUnavailable):
        engine.write(add("two"))
    with gevent.Timeout(PATIENCE):
        while not numbers(url)[0]:
            gevent.sleep(0.02)
    assert numbers(url) == [1, 0]


def test_job_that_went_on_after_an_error_is_not_taken_for_written(open_engine, url):
    """PostgreSQL rolls such a transaction back and calls that an answer to COMMIT."""
    engine = open_engine()

    def careless(transaction):
        transaction.execute("UPDATE thing SET number = 5")
        with pytest.raises(psycopg.Error):
            transaction.execute("SELECT nonsense")

    with pytest.raises(StoreUnavailable):
        engine.write(careless)
    assert numbers(url) == [0, 0]
    engine.write(add("one"))


def test_commits_are_synchronous_whatever_the_default(open_engine, url):
    """A database set to answer before the disk has it is overruled."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET synchronous_commit = off")
    for work in (open_engine().write, open_engine().accept):
        assert work(lambda transaction: transaction.row("SHOW synchronous_commit")) == ("on",)


def test_jobs_that_lock_each_other_are_run_again(open_engine, url):
    """Two processes that want the same rows in opposite order: both get their way."""
    met = [Event(), Event()]

    def crossing(first, second, mine):
        def job(transaction):
            add(first)(transaction)
            met[mine].set()
            met[1 - mine].wait(SOON)
            add(second)(transaction)

        return job

    one, two = open_engine(), open_engine()
    with at_once(lambda: one.write(crossing("one", "two", 0)), lambda: two.write(crossing("two", "one", 1))):
        pass
    assert numbers(url) == [2, 2]


def test_look_and_insert_is_right_under_races(open_engine, url):
    """Two processes look for a row, find none and insert it: the slower one is run again and finds it."""
    looked = [Event(), Event()]

    def find_or_add(mine):
        def job(transaction):
            found = transaction.row("SELECT key FROM thing WHERE name = 'three'")
            looked[mine].set()
            looked[1 - mine].wait(SOON)
            if found is not None:
                return "found"
            transaction.execute("INSERT INTO thing(name) VALUES ('three')")
            return "added"

        return job

    engines = open_engine(), open_engine()
    with at_once(*(lambda mine=mine: engines[mine].write(find_or_add(mine)) for mine in (0, 1))) as both:
        pass
    assert sorted(one.value for one in both) == ["added", "found"]
    assert len(numbers(url)) == 3


def test_named_lock_is_held_until_the_commit(open_engine):
    """A second process waits for the first one's commit; another name is another lock."""
    order = []
    inside = Event()

    def holding(transaction):
        transaction.lock("mine")
        inside.set()
        gevent.sleep(SOON)
        order.append("first")

    def waiting(transaction):
        transaction.lock("mine")
        order.append("second")

    def passing(transaction):
        transaction.lock("other")
        order.append("other")

    one, two, three = open_engine(), open_engine(), open_engine()
    with at_once(lambda: one.write(holding)):
        assert inside.wait(PATIENCE)
        with at_once(lambda: two.write(waiting), lambda: three.write(passing)):
            pass
    assert order == ["other", "first", "second"]


def test_accepted_keys_become_visible_in_order(open_engine, url):
    """Two processes accept at once: whoever has seen a key has seen all lower ones there will ever be."""
    engines = open_engine(), open_engine()
    seen: list[int] = []

    def accept(engine):
        def job(transaction):
            key = transaction.row("INSERT INTO thing(number) VALUES (1) RETURNING key")[0]
            gevent.sleep(0)
            return key

        return [engine.accept(job) for _ in range(40)]

    def look():
        reader = open_engine()
        while len(seen) < 82:
            keys = reader.read(lambda transaction: transaction.rows("SELECT key FROM thing ORDER BY key"))
            assert [row[0] for row in keys[: len(seen)]] == seen
            seen[:] = [row[0] for row in keys]

    with at_once(look, *(lambda engine=engine: accept(engine) for engine in engines)):
        pass
    assert len(seen) == 82


def test_statements_become_postgres_words():
    """Parameters, lists of keys, and the percent signs of ours and of peewee's."""
    assert to_postgres("SELECT a % 4 FROM t WHERE k IN KEYS ? AND +d.app = ?") == (
        "SELECT a %% 4 FROM t WHERE k = ANY(%s) AND +d.app = %s"
    )
    assert to_postgres('SELECT "t1"."key" FROM t WHERE a = %s AND b %% 2 = ?') == (
        'SELECT "t1"."key" FROM t WHERE a = %s AND b %% 2 = %s'
    )
