"""The pure parts: queues, pauses, markers and claims, what is held."""

import pytest

from onepush_redis.backoff import Backoff
from onepush_redis.bounded import BoundedQueue
from onepush_redis.holdings import Holdings
from onepush_redis.names import Names
from onepush_redis.standing import Standing, View, read_claims

NOW = 1_000_000


def marker(epoch=1, complete=1, until=NOW + 1, run="r", table="t"):
    return f"{epoch}:{complete}:{until}:{run}:{table}".encode()


def read(markers, expected=None, worker=1, epoch=1, complete=True):
    """What worker 1, complete in its first epoch, makes of these markers."""
    standing = Standing(worker)
    if expected is not None:
        standing.expect(expected)
    standing.epoch, standing.complete = epoch, complete
    return standing.read(View(markers, NOW, b"r", b"t"))


def test_standing_is_sure_when_all_are_complete():
    """Each worker's claims count under the epoch it is registered with."""
    assert read({b"1": marker(), b"2": marker(epoch=7)}) == {b"1.1": 1, b"2.7": 2}
    assert read({b"1": marker(), b"2": marker()}, expected=[1, 2]) == {b"1.1": 1, b"2.1": 2}


@pytest.mark.parametrize(
    "other",
    [
        {"complete": 0},
        {"until": NOW - 1},
        {"run": "before"},
        {"table": "before"},
    ],
)
def test_standing_is_unsure_when_one_is_not_complete(other):
    """Writing its devices, silent, from before a restart or a flush: it may hold anything."""
    assert read({b"1": marker(), b"2": marker(**other)}) is None
    assert read({b"1": marker(), b"2": marker(**other)}, expected=[1, 2]) is None
    assert read({b"1": marker(**other), b"2": marker()}) is None


def test_standing_needs_its_own_marker():
    """An empty register, or one with an older marker of ours, is one that was flushed."""
    assert read({}) is None
    assert read({b"2": marker()}) is None
    assert read({b"1": marker(epoch=1)}, epoch=2) is None
    assert read({b"1": marker()}, complete=False) is None


def test_standing_passes_over_who_is_silent_and_unknown():
    """A silent worker that the database does not know is dead; one that speaks has just begun."""
    assert read({b"1": marker(), b"2": marker(until=NOW - 1)}, expected=[1]) == {b"1.1": 1}
    assert read({b"1": marker(), b"2": marker(complete=0)}, expected=[1]) is None
    assert read({b"1": marker()}, expected=[1, 2]) is None


def test_standing_remembers_who_was_there_before_a_flush():
    """When nobody tells who lives: whoever was registered before must come back, or be forgotten."""
    standing = Standing(1)
    standing.epoch, standing.complete = 1, True
    look = lambda table, *workers: standing.read(  # noqa: E731
        View({b"%d" % one: marker(table=table.decode()) for one in workers}, NOW, b"r", table)
    )
    assert look(b"t", 1, 2, 3) is not None
    assert look(b"t", 1, 2) is not None, "the register was not lost: the third has left"
    assert look(b"flushed", 1) is None
    assert look(b"flushed", 1, 2) is not None
    assert look(b"flushed again", 1) is None
    standing.forget(2)
    assert look(b"flushed again", 1) is not None


def test_standing_survives_a_new_number():
    """What was expected and seen still is, but for the number before."""
    standing = Standing(1)
    standing.expect([1, 2])
    new = standing.succeed(5)
    new.epoch, new.complete = 1, True
    view = View({b"5": marker(), b"2": marker()}, NOW, b"r", b"t")
    assert new.read(view) == {b"5.1": 5, b"2.1": 2}
    assert new.read(View({b"5": marker()}, NOW, b"r", b"t")) is None


def test_claims_of_the_dead_are_passed_over():
    """The newest claim that counts decides; one of another epoch or an unknown worker does not."""
    heads = {b"1.1": 1, b"2.7": 2}
    claims = [b"1.1.5", b"2.6.5", None, b"3.1.9 2.7.5 1.1.4", b"2.6.9 1.1.4", b"4.1.1 5.1.1"]
    assert read_claims(range(6), claims, heads) == {0: 1, 3: 2, 4: 1}


def test_holdings_keep_what_changed_while_it_was_written():
    """What changes between the write and its confirmation is written again."""
    holdings, told = Holdings(), []
    holdings.hold(1, 1, 0.0, lambda: told.append(1))
    holdings.hold(2, 1, 0.0)
    changes = holdings.changes(10)
    holdings.hold(1, 2, 0.0, lambda: told.append(2))
    holdings.let_go(2, 1)
    holdings.confirm(changes)
    assert (told, holdings.unwritten, len(holdings)) == ([], 2, 1)
    holdings.confirm(holdings.changes(10))
    assert (told, holdings.unwritten) == ([2], 0)


def test_holdings_survive_a_callback_that_raises():
    """Somebody else's callback is somebody else's trouble."""
    holdings = Holdings()
    holdings.hold(1, 1, 0.0, lambda: 1 / 0)
    holdings.confirm(holdings.changes(1))
    assert holdings.unwritten == 0


def test_holdings_are_written_oldest_change_first():
    """Some at a time; all of them after everything was lost."""
    holdings = Holdings()
    for device in (3, 1, 2):
        holdings.hold(device, 1, 0.0)
    assert [device for device, _ in holdings.changes(2)] == [3, 1]
    holdings.confirm(holdings.changes(3))
    holdings.let_go(1, 1)
    holdings.write_all_anew()
    assert [device for device, _ in holdings.changes(9)] == [1, 3, 2]


def test_holdings_know_when_all_that_was_there_is_written():
    """What comes later does not put it off; what changed again meanwhile must be written all the same."""
    holdings = Holdings()
    for device in (1, 2, 3):
        holdings.hold(device, 1, 0.0)
    holdings.confirm(holdings.changes(3))
    last = holdings.write_all_anew()
    holdings.hold(4, 1, 0.0)
    changes = holdings.changes(3)
    holdings.hold(2, 2, 0.0)
    holdings.confirm(changes)
    assert not holdings.is_written(last)
    holdings.confirm(holdings.changes(1))
    assert holdings.is_written(last)
    assert holdings.unwritten == 1
    assert Holdings().is_written(Holdings().write_all_anew())


def test_queue_is_bounded_in_items_and_bytes():
    """What does not fit is refused; what is taken makes room."""
    queue = BoundedQueue(3, 100)
    assert queue.put("a", 60)
    assert not queue.put("b", 41)
    assert queue.put("c", 40)
    assert queue.take(60) == ["a"]
    assert queue.put("d", 1)
    assert queue.put("e", 1)
    assert not queue.put("f", 1)
    assert queue.take(1) == ["c"]
    assert queue.take(100) == ["d", "e"]
    assert queue.take(100) == []


def test_backoff_doubles_up_to_its_longest():
    """Each pause is cut by the dice, by half at most."""
    backoff = Backoff(1.0, 5.0, dice=lambda: 0.0)
    assert [backoff.pause() for _ in range(4)] == [1.0, 2.0, 4.0, 5.0]
    backoff.reset()
    assert backoff.pause() == 1.0
    assert Backoff(1.0, 5.0, dice=lambda: 1.0).pause() == 0.5


def test_names_are_of_one_slot_and_channels_of_one_database():
    """A cluster hashes what stands in braces; databases share their channels."""
    names = Names("acme", 3)
    assert all(name.startswith("{acme}:") for name in vars(names).values())
    assert names.mail(7) != Names("acme", 4).mail(7)
    assert names.workers == Names("acme", 4).workers
