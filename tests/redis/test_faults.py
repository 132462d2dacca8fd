"""Redis flushed, restarted, stopped, slow, full: nobody waits, nothing wrong is believed, all comes back."""

import time

import gevent
import pytest

from harness.waiting import eventually
from onepush_core import BusUnavailable
from onepush_redis.names import Names

DEVICES = list(range(1, 2001))
MINE, YOURS = DEVICES[:1000], DEVICES[1000:]
ALL = {**dict.fromkeys(MINE, 1), **dict.fromkeys(YOURS, 2)}


@pytest.fixture
def pair(start_worker, server):
    """Two workers on a server of their own, a thousand devices each."""
    return fill(start_worker(1, server.url), start_worker(2, server.url))


def fill(one, two):
    """Let each hold its thousand devices."""
    for device in MINE:
        one.bus.hold(device, 1)
    for device in YOURS:
        two.bus.hold(device, 1)
    one.await_settled()
    two.await_settled()
    eventually(lambda: one.bus.holders(DEVICES) == two.bus.holders(DEVICES) == ALL)
    return one, two


def await_recovery(one, two):
    """Wait until both are sure again, and reach each other."""
    for worker, other in ((one, two), (two, one)):
        eventually(lambda worker=worker: worker.bus.holders(DEVICES) == ALL)
        other.received.clear()

        def reached(worker=worker, other=other):
            worker.bus.publish(other.number, b"there again")
            return other.received

        eventually(reached, pause=0.1)


def test_flush_is_never_taken_for_nobody_is_there(pair, server, watch):
    """FLUSHALL: everybody is unsure until all have written their devices again."""
    seen = watch(pair[0], DEVICES)
    for _ in range(3):
        server.client().flushall()
        await_recovery(*pair)
    seen.stop()
    assert seen.answers == [ALL]
    assert seen.unsure


def test_worker_that_begins_just_after_a_flush(start_worker, make_worker, server, watch):
    """It knows of nobody: it waits until those who were there have noticed."""
    one = start_worker(1, server.url)
    one.bus.hold(10, 1)
    one.await_settled()
    newcomer = make_worker(server.url)
    seen = watch(newcomer, [10], 0.0)
    server.client().flushall()
    newcomer.start(2)
    eventually(lambda: seen.answers)
    assert seen.stop().answers == [{10: 1}]


@pytest.mark.parametrize("key", ["workers", "devices"])
def test_lost_key_is_never_taken_for_nobody_is_there(pair, server, watch, make_worker, key):
    """One of the two keys evicted or deleted: the same."""
    seen = watch(pair[0], DEVICES)
    server.client().delete(getattr(Names(make_worker.prefix, 0), key))
    eventually(lambda: seen.unsure)
    await_recovery(*pair)
    assert seen.stop().answers == [ALL]


@pytest.mark.parametrize("told", [True, False])
def test_flush_while_a_worker_is_cut_off(start_worker, server, proxy, watch, told):
    """Who cannot write its devices again keeps all others unsure: they were told of it, or remember it."""
    one, two = fill(start_worker(1, server.url), start_worker(2, f"redis://127.0.0.1:{proxy.port}"))
    if told:
        one.bus.expect([1, 2])
    seen = watch(one, DEVICES)
    proxy.pass_on.clear()
    server.client().flushall()
    eventually(lambda: one.settled)
    time.sleep(1.0)
    assert one.bus.holders(DEVICES) is None
    proxy.cut()
    proxy.pass_on.set()
    await_recovery(one, two)
    assert seen.stop().answers == [ALL]


def test_killed_server_comes_back_empty(pair, server, watch):
    """Kill -9 and start again, ten times."""
    seen = watch(pair[0], DEVICES)
    for _ in range(10):
        server.restart()
        await_recovery(*pair)
    seen.stop()
    assert seen.answers == [ALL]
    assert seen.longest < 0.5


def test_server_that_comes_back_with_old_data_is_not_believed(start_server, start_worker, watch):
    """What a restarted server has loaded from its disk is of another run: it does not count."""
    server = start_server()
    one, two = fill(start_worker(1, server.url), start_worker(2, server.url))
    server.client().save()
    one.bus.let_go(MINE[0], 1)
    two.bus.hold(3000, 1)
    one.await_settled()
    two.await_settled()
    now = {device: worker for device, worker in ALL.items() if device != MINE[0]} | {3000: 2}
    seen = watch(one, [*DEVICES, 3000])
    eventually(lambda: seen.answers == [now])
    server.restart()
    eventually(lambda: seen.unsure)
    eventually(lambda: one.bus.holders([*DEVICES, 3000]) == now)
    assert seen.stop().answers == [now]


def test_failover_to_a_replica_that_lags(start_server, start_worker, make_worker, proxy, server, watch):
    """A replica that missed the last holds becomes the server: its markers are of another run."""
    url = f"redis://127.0.0.1:{proxy.port}"
    one, two = fill(start_worker(1, url), start_worker(2, url))
    replica = start_server("--replicaof", f"127.0.0.1 {server.port}")
    names = Names(make_worker.prefix, 0)
    eventually(lambda: replica.client().hlen(names.devices) == len(ALL) + 1)
    replica.client().replicaof("NO", "ONE")
    two.bus.hold(3000, 1)
    two.await_settled()
    now = ALL | {3000: 2}
    seen = watch(one, [*DEVICES, 3000])
    eventually(lambda: seen.answers == [now])
    proxy.target = replica.port
    proxy.cut()
    eventually(lambda: seen.unsure)
    eventually(lambda: one.bus.holders([*DEVICES, 3000]) == now)
    assert seen.stop().answers == [now]


def test_wedged_server_stalls_nobody(pair, server, watch):
    """SIGSTOP: nothing answers. Nobody waits longer than promised; then all comes back."""
    one, two = pair
    seen = watch(one, DEVICES)
    server.pause()
    longest = 0.0
    for number in range(2000):
        began = time.monotonic()
        one.bus.publish(2, b"%d" % number)
        one.bus.hold(5000 + number, 1)
        one.bus.let_go(5000 + number, 1)
        longest = max(longest, time.monotonic() - began)
        gevent.sleep(0.001)
    began = time.monotonic()
    with pytest.raises(BusUnavailable):
        one.bus.probe()
    assert time.monotonic() - began < 2.0
    eventually(lambda: not one.bus.publish(2, b"surely not"))
    assert longest < 0.1
    assert seen.longest < 0.5
    assert seen.hub_lag < 0.25
    server.go_on()
    one.await_connected()
    await_recovery(one, two)
    assert seen.stop().answers == [ALL]


def test_look_ups_are_not_tried_again_and_again(start_worker, server, proxy):
    """While look-ups get no answer, few of them are waited for, though all else goes well."""
    one, _ = fill(start_worker(1, f"redis://127.0.0.1:{proxy.port}"), start_worker(2, server.url))
    before = one.count("lookups", answer="unsure")
    proxy.mute = b"HMGET"
    began = time.monotonic()
    while time.monotonic() - began < 2.0:
        assert one.bus.holders(DEVICES) is None
        gevent.sleep(0)
    assert one.complete
    assert 2 <= one.count("lookups", answer="unsure") - before <= 3
    assert one.count("lookups", answer="not_asked") > 100
    proxy.mute = None
    eventually(lambda: one.bus.holders(DEVICES) == ALL)


def test_write_that_comes_late_counts_for_nothing(pair, server):
    """What was sent to a wedged server is done when it wakes, perhaps after what was sent later."""
    one, two = pair
    server.pause()
    one.bus.hold(5000, 1)
    gevent.sleep(0.1)
    one.bus.let_go(5000, 1)
    eventually(lambda: not one.complete)
    server.go_on()
    await_recovery(one, two)
    assert two.bus.holders([5000]) == {}


def test_server_that_is_not_there_yet(make_worker, server):
    """Start before the server: nothing raises or waits; it begins when the server comes."""
    server.kill()
    one = make_worker(server.url)
    began = time.monotonic()
    one.start(1)
    one.bus.hold(10, 1)
    assert one.bus.holders([10]) is None
    assert not one.bus.publish(2, b"x")
    with pytest.raises(BusUnavailable):
        one.bus.probe()
    assert time.monotonic() - began < 0.2
    gevent.sleep(0.5)
    server.start()
    one.await_holders({10: 1})
    one.await_connected()


def test_cut_connections_come_back(start_worker, proxy, watch):
    """All connections closed in the middle, ten times: nobody seems away while it is written anew."""
    url = f"redis://127.0.0.1:{proxy.port}"
    one, two = fill(start_worker(1, url), start_worker(2, url))
    seen = watch(one, DEVICES, 0.0)
    for _ in range(10):
        proxy.cut()
        gevent.sleep(0.1)
    await_recovery(one, two)
    assert seen.stop().answers == [ALL]
    assert one.count("reconnects", link="listen") >= 1


def test_broken_link_is_noticed_by_all(start_worker, server, proxy):
    """Bytes vanish and no connection closes: the worker looks dead, is unsure itself, and comes back."""
    one, two = fill(start_worker(1, server.url), start_worker(2, f"redis://127.0.0.1:{proxy.port}"))
    proxy.swallow = True
    eventually(lambda: two.bus.holders(DEVICES) is None and one.bus.holders(DEVICES) is None)
    eventually(lambda: not one.bus.publish(1, b"x") or not two.bus.publish(1, b"x"))
    proxy.swallow = False
    await_recovery(one, two)


def test_silent_subscription_is_noticed(start_worker, server, proxy):
    """A subscription that is dead without a word, while all else works, is opened again and again."""
    one, two = fill(start_worker(1, server.url), start_worker(2, f"redis://127.0.0.1:{proxy.port}"))
    proxy.mute = b"SUBSCRIBE"
    server.client().execute_command("CLIENT", "KILL", "TYPE", "PUBSUB")
    before = two.count("reconnects", link="listen")
    eventually(lambda: two.count("reconnects", link="listen") >= before + 2)
    assert two.complete
    proxy.mute = None
    await_recovery(one, two)


@pytest.mark.parametrize(("delay", "sure"), [(0.02, True), (0.2, False)])
def test_slow_server_makes_unsure_in_a_quarter_of_a_second(start_worker, server, proxy, delay, sure):
    """Two hops of the delay make one round trip; what takes longer than 0.25 s is not waited for."""
    one, _ = fill(start_worker(1, f"redis://127.0.0.1:{proxy.port}"), start_worker(2, server.url))
    proxy.delay = delay
    gevent.sleep(0.5)
    began = time.monotonic()
    assert (one.bus.holders(DEVICES) == ALL) is sure
    assert time.monotonic() - began < 0.35


def test_full_server_makes_unsure(pair, server):
    """Redis refuses to write: what cannot be told to others makes unsure, until it can."""
    one, two = pair
    server.client().config_set("maxmemory", 1)
    one.bus.hold(3000, 1)
    eventually(lambda: two.bus.holders([3000]) is None and one.bus.holders([3000]) is None)
    server.client().config_set("maxmemory", 0)
    eventually(lambda: two.bus.holders([3000]) == {3000: 1})


def test_forgotten_scripts_are_loaded_again(pair, server):
    """SCRIPT FLUSH."""
    server.client().script_flush()
    pair[0].bus.hold(3000, 1)
    eventually(lambda: pair[1].bus.holders([3000]) == {3000: 1})


def test_server_that_becomes_a_replica_is_left(start_server, pair, server):
    """Writes are refused as READONLY: unsure, and back when the server is one again."""
    other = start_server()
    server.client().replicaof("127.0.0.1", other.port)
    eventually(lambda: pair[0].bus.holders(DEVICES) is None)
    server.client().replicaof("NO", "ONE")
    await_recovery(*pair)


def test_late_hints_are_dropped_and_counted(pair, server):
    """What could not be sent for a second is not sent any more."""
    one, two = pair
    server.pause()
    one.bus.publish(2, b"under way")
    gevent.sleep(0.05)
    for number in range(100):
        assert one.bus.publish(2, b"%d" % number)
    accepted = []
    eventually(lambda: not one.bus.publish(2, b"more") or accepted.append(1))
    gevent.sleep(1.0)
    server.go_on()
    await_recovery(one, two)
    assert one.count("dropped", reason="failed") == 1
    assert one.count("dropped", reason="late") == 100 + len(accepted)
    assert one.count("dropped", reason="offline") >= 1


def test_full_queue_refuses(pair, server, make_worker):
    """More than may wait is refused, in messages and in bytes."""
    one = make_worker(server.url, queue_messages=50).start(5)
    two = make_worker(server.url, queue_bytes=65_536).start(6)
    one.await_connected()
    two.await_connected()
    server.pause()
    assert sum(one.bus.publish(2, b"x") for _ in range(100)) == 50
    assert sum(two.bus.publish(2, bytes(8192)) for _ in range(100)) < 8
    assert one.count("dropped", reason="full") == 50


def test_many_devices_are_written_with_the_hub_free(make_worker, server, watch):
    """Fifteen thousand devices written anew in slices: others run in between."""
    one = make_worker(server.url).start(1)
    devices = range(1, 15_001)
    for device in devices:
        one.bus.hold(device, 1)
    one.await_settled()
    seen = watch(one, [1])
    server.client().flushall()
    eventually(lambda: seen.unsure)
    one.await_holders(dict.fromkeys(devices, 1), list(devices))
    assert seen.stop().hub_lag < 0.25
