"""Who holds a device: held, let go, moved, and what is known for sure."""

import time

from harness.waiting import eventually
from tests.redis.conftest import BEAT

DEVICES = list(range(1, 1001))


def test_device_is_found_where_it_is_held(start_worker):
    """Everybody finds who holds a device; devices that nobody holds are missing."""
    one, two = start_worker(1), start_worker(2)
    one.bus.hold(10, 1)
    two.bus.hold(20, 1)
    one.await_settled()
    two.await_settled()
    for worker in (one, two):
        assert worker.bus.holders([10, 20, 30]) == {10: 1, 20: 2}
    assert one.bus.holders([]) == {}


def test_device_let_go_is_not_found(start_worker):
    """Let go, it is held by nobody, and that is sure."""
    one, two = start_worker(1), start_worker(2)
    one.bus.hold(10, 1)
    one.await_settled()
    one.bus.let_go(10, 1)
    one.await_settled()
    assert two.bus.holders([10]) == {}


def test_late_let_go_leaves_the_newer_connection(start_worker):
    """The end of an old connection takes nothing from the newer one."""
    one, two = start_worker(1), start_worker(2)
    one.bus.hold(10, 1)
    one.bus.hold(10, 2)
    one.bus.let_go(10, 1)
    one.await_settled()
    assert two.bus.holders([10]) == {10: 1}
    one.bus.hold(10, 1)
    one.bus.let_go(10, 2)
    one.await_settled()
    assert two.bus.holders([10]) == {}


def test_device_that_moved_is_found_at_its_new_worker(start_worker):
    """The worker that was told later counts, however connections are numbered; the old one's end is late."""
    one, two = start_worker(1), start_worker(2)
    one.bus.hold(10, 500)
    one.await_settled()
    time.sleep(0.002)
    two.bus.hold(10, 1)
    two.await_settled()
    assert one.bus.holders([10]) == {10: 2}
    one.bus.let_go(10, 500)
    one.await_settled()
    assert one.bus.holders([10]) == {10: 2}


def test_older_claim_counts_when_the_newer_one_is_let_go(start_worker):
    """Two workers hold a device; when the newer one lets go, the other is found again."""
    one, two = start_worker(1), start_worker(2)
    one.bus.hold(10, 1)
    one.await_settled()
    time.sleep(0.002)
    two.bus.hold(10, 1)
    two.await_settled()
    two.bus.let_go(10, 1)
    two.await_settled()
    assert two.bus.holders([10]) == {10: 1}


def test_claim_written_late_does_not_hide_a_newer_one(start_worker):
    """A worker that could not write for a while held the device before: the newer one stays in front."""
    one, two = start_worker(1), start_worker(2)
    one.bus.hold(10, 1)
    time.sleep(0.002)
    two.bus.hold(10, 1)
    two.await_settled()
    one.await_settled()
    one.bus._holdings.write_all_anew()
    one.bus._life.presence.note_change()
    one.await_settled()
    assert two.bus.holders([10]) == {10: 2}


def test_written_is_called_once_when_others_can_know(start_worker):
    """``written`` comes after the device can be found, once, and not for one that was let go before."""
    one, two = start_worker(1), start_worker(2)
    told = []
    one.bus.hold(10, 1, lambda: told.append(two.bus.holders([10, 11])))
    one.bus.hold(11, 1, lambda: told.append("let go"))
    one.bus.let_go(11, 1)
    eventually(lambda: told)
    one.await_settled()
    assert told == [{10: 1}]


def test_worker_with_a_new_number_keeps_its_devices(start_worker):
    """A worker that lost its session goes on under a new number, and nobody believes its devices gone."""
    one, two = start_worker(1), start_worker(2)
    for device in DEVICES:
        one.bus.hold(device, 1)
    one.await_settled()
    answers = []
    one.bus.start(3, one.received.append)
    eventually(lambda: answers.append(two.bus.holders(DEVICES)) or answers[-1] == dict.fromkeys(DEVICES, 3))
    known = [answer for answer in answers if answer is not None]
    assert all(answer in (dict.fromkeys(DEVICES, 1), dict.fromkeys(DEVICES, 3)) for answer in known)
    two.bus.publish(3, b"to the new number")
    two.bus.publish(1, b"to the old number")
    eventually(lambda: one.received)
    assert one.received == [b"to the new number"]
    time.sleep(4 * BEAT)
    assert two.bus.holders(DEVICES) == dict.fromkeys(DEVICES, 3)


def test_worker_that_changes_its_number_twice_at_once(start_worker):
    """The number in between, of which the server may have heard or not, keeps nobody unsure."""
    one, two = start_worker(1), start_worker(2)
    one.bus.hold(10, 1)
    for number in (3, 4, 5):
        one.bus.start(number, one.received.append)
    two.await_holders({10: 5})
    time.sleep(4 * BEAT)
    assert two.bus.holders([10]) == {10: 5}


def test_dead_worker_makes_unsure_until_it_is_forgotten(start_worker):
    """A worker that went silent may still hold sockets; only the core knows that it is dead."""
    one, two = start_worker(1), start_worker(2)
    two.bus.hold(10, 1)
    two.await_settled()
    two.vanish()
    eventually(lambda: one.bus.holders([10]) is None)
    one.bus.forget(2)
    one.await_holders({}, [10])


def test_worker_that_one_forgets_is_waited_for_by_nobody(start_worker):
    """It is enough that one of the workers hears of a death."""
    one, two, three = (start_worker(number) for number in (1, 2, 3))
    two.vanish()
    eventually(lambda: three.bus.holders([10]) is None)
    one.bus.forget(2)
    three.await_holders({}, [10])


def test_dead_worker_does_not_count_when_the_database_does_not_know_it(start_worker):
    """Told who lives, the bus does not wait for a worker that has been silent."""
    one, two = start_worker(1), start_worker(2)
    one.bus.expect([1, 2])
    two.vanish()
    eventually(lambda: one.bus.holders([10]) is None)
    one.bus.expect([1])
    one.await_holders({}, [10])


def test_worker_that_lives_and_is_not_registered_makes_unsure(start_worker):
    """A worker that the database knows and the bus does not may hold anything."""
    one = start_worker(1)
    one.bus.expect([1, 2])
    assert one.bus.holders([10]) is None
    start_worker(2)
    one.await_holders({}, [10])


def test_worker_that_leaves_is_waited_for_by_nobody(start_worker):
    """A clean end takes the worker and its devices out."""
    one, two = start_worker(1), start_worker(2)
    two.bus.hold(10, 1)
    two.await_settled()
    two.bus.close()
    assert one.bus.holders([10]) == {}


def test_bus_that_was_not_started_is_not_sure(make_worker, shared_url):
    """Nobody knows anything yet; devices held before the start are written after it."""
    worker = make_worker(shared_url)
    worker.bus.hold(10, 1)
    assert worker.bus.holders([10]) is None
    worker.start(1)
    worker.await_holders({10: 1})
