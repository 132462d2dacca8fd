"""Two processes at one PostgreSQL: what one has read while the other changes it goes wrong for nobody."""

from __future__ import annotations

import time
from functools import partial

import gevent
import pytest
from gevent.event import Event

from harness.databases import POOL, REQUIRED, missing_server, postgres_url
from harness.races import overlap
from onepush_core.cluster.words import decode
from onepush_core.gateway import Gateway
from onepush_core.objects import DeliveryState, Draft, Message, Outcome, Registration, Selector, Status
from onepush_core.outlets import Outlet
from onepush_core.plugins import load_plugins
from onepush_core.settings import Settings, StoreSettings
from onepush_core.store import apps, deliveries, devices, due, mail, messages, transports, workers
from onepush_core.store.deliveries import Change, Schedule
from onepush_core.testing import RecordingSockets, await_that

pytestmark = pytest.mark.once
FAR_OFF = 4_000_000_000_000
NOW = 1_800_000_000_000


@pytest.fixture
def pair(tmp_path):
    """Two gateways at one database that dispatch nothing by themselves."""
    missing = missing_server()
    if missing and not REQUIRED:
        pytest.skip(missing)
    settings = Settings(store=StoreSettings(database=postgres_url(tmp_path), pool=POOL))
    made = [Gateway(settings, plugins=load_plugins({}, [])) for _ in range(2)]
    made[0].migrate()
    for gateway in made:
        gateway.dispatcher.stop()
        gateway.cluster.session.open()
    yield made
    for gateway in made:
        gateway.cluster.close()
        gateway.engine.close()


@pytest.fixture
def app(pair):
    return pair[0].directory.find(pair[0].create_app("test")["appId"])


def register(transaction, app, alias, token="t", new_id="new"):
    """The job of a registration."""
    return devices.register(transaction, app.key, Registration(alias, "WEB", token), new_id, NOW)


def store(gateway, app, *ids, **fields) -> list[int]:
    """Accepted messages; their keys."""
    made = [
        Message(key=0, id=one, app=app, alert="x", accepted_at=1, expires_at=FAR_OFF, **fields) for one in ids
    ]
    return gateway.write(lambda transaction: [messages.insert_message(transaction, one) for one in made])


def add_devices(gateway, app, *tokens) -> list[int]:
    def job(transaction):
        return [register(transaction, app, "ann", token, f"id-{token}")[1] for token in tokens]

    return gateway.write(job)


def counts(gateway, app, message) -> dict[str, int]:
    """What is not zero; the counters and the rows say the same."""
    status = gateway.status(app, message)
    found = {state: number for state, number in status["counts"].items() if number}
    rows = gateway.deliveries(app, message, None, 1000)["deliveries"]
    states = [one["state"] for one in rows]
    assert {state: states.count(state) for state in set(states)} == found
    assert status["total"] == len(rows)
    return found


def test_registrations_of_one_token_are_one_device(pair, app):
    """Two processes register a token that is new to both: the second finds what the first has made."""
    one, two = pair
    first, second = overlap(
        one.engine,
        two.engine,
        lambda transaction: register(transaction, app, "ann", new_id="first"),
        lambda: two.write(lambda transaction: register(transaction, app, "ben", new_id="second")),
    )
    assert first == ("first", 1, False)
    assert second == ("first", first[1], True)


def test_registrations_that_change_hands_do_not_miss_each_other(pair, app):
    """Ann's device becomes Ben's and at the same time registers as Ann's: nothing of Ben's stays with her."""
    one, two = pair
    [device] = add_devices(one, app, "t")

    def rebind(transaction):
        answer = register(transaction, app, "ben")
        [message] = [
            messages.insert_message(
                transaction,
                Message(key=0, id="to ben", app=app, alert="x", accepted_at=1, expires_at=FAR_OFF),
            )
        ]
        deliveries.insert_page(transaction, message, [device])
        return answer

    def take_back():
        return two.write(lambda transaction: register(transaction, app, "ann"))

    _, second = overlap(one.engine, two.engine, rebind, take_back)
    assert second[2]
    assert counts(one, app, "to ben") == {"cancelled": 1}


def test_page_that_is_added_while_a_device_changes_hands_does_not_reach_it(pair, app):
    """The registration cannot see the delivery yet: the backlog leaves it out, a later round cancels it."""
    one, two = pair
    [device] = add_devices(one, app, "t")
    [message] = store(one, app, "to ann")
    added, _ = overlap(
        one.engine,
        two.engine,
        lambda transaction: deliveries.insert_page(transaction, message, [device]),
        lambda: two.write(lambda transaction: register(transaction, app, "ben")),
    )
    assert added[0] == [device]
    assert two.backlog(device, 0, 10) == []
    now = one.clock.now()
    one.write(lambda transaction: transaction.execute("UPDATE delivery SET due = 1") and None)
    assert one.write(lambda transaction: due.claim_due(transaction, now, now, 10, holder=1)) == []
    assert counts(one, app, "to ann") == {"cancelled": 1}


@pytest.mark.parametrize("early", [True, False], ids=["counters not written", "counters written"])
def test_page_that_is_added_while_its_message_is_cancelled_is_cancelled(pair, app, early):
    """Whichever comes first: nothing stays pending, and the counts add up."""
    one, two = pair
    keys = add_devices(one, app, "a", "b")
    [message] = store(one, app, "m")
    overlap(
        one.engine,
        two.engine,
        lambda transaction: deliveries.insert_page(transaction, message, keys),
        lambda: two.cancel(app, "m"),
        early=early,
    )
    two.housekeeping.expire()
    assert counts(one, app, "m") == {"cancelled": 2}
    finished = "SELECT finished_at IS NOT NULL FROM message"
    assert one.read(lambda transaction: transaction.row(finished)) == (True,)


@pytest.fixture
def pending(pair, app):
    """A message that is pending for two devices: their keys."""
    keys = add_devices(pair[0], app, "a", "b")
    [message] = store(pair[0], app, "m")
    pair[0].write(lambda transaction: deliveries.insert_page(transaction, message, keys))
    return keys


def confirm(keys, transaction):
    return deliveries.confirm(transaction, "m", "one", keys, NOW)[1]


def test_confirms_of_one_delivery_count_once(pair, app, pending):
    """A device that confirms over two connections: it is news to one of the processes."""
    one, two = pair
    first, second = overlap(
        one.engine, two.engine, partial(confirm, pending), lambda: two.write(partial(confirm, pending))
    )
    assert (first, second) == (pending, [])
    assert counts(one, app, "m") == {"confirmed": 2}


def test_confirm_beside_a_hand_over_counts_once(pair, app, pending):
    """One process hands over what a device confirms to the other."""
    one, two = pair

    def hand_over(transaction):
        change = Change(pending, DeliveryState.HANDED_OFF, asked=1)
        changed = deliveries.apply_change(transaction, 1, change, Schedule([10]), NOW, worker=1)
        deliveries.counters.advance(transaction, 1, NOW, changed, None, dispatched=True)
        return changed

    handed, news = overlap(one.engine, two.engine, hand_over, lambda: two.write(partial(confirm, pending)))
    assert (handed, news) == (2, pending)
    assert counts(one, app, "m") == {"confirmed": 2}
    assert one.status(app, "m")["state"] == "finished"


def test_full_queue_is_dropped_once(pair, app):
    """Two processes find the same queue too long: what is dropped is counted once."""
    one, two = pair
    [device] = add_devices(one, app, "t")
    keys = store(one, app, *[f"m{number}" for number in range(5)])
    for key in keys:
        one.write(lambda transaction, key=key: deliveries.insert_page(transaction, key, [device]))

    def drop(transaction):
        return deliveries.drop_overflow(transaction, [device], 2, NOW)

    assert overlap(one.engine, two.engine, drop, lambda: two.write(drop)) == [3, 0]
    found = [counts(one, app, f"m{number}") for number in range(5)]
    assert found == [{"dropped": 1}] * 3 + [{"pending": 1}] * 2


def test_idempotency_key_stands_for_one_message(pair, app):
    """The same request at two processes at once: one message, and the same id for both."""
    draft = Draft(alert="x", selector=Selector("ALL", ("ALL",)))
    calls = [
        gevent.spawn(gateway.send, app, draft, (f"key{number}", b"digest"))
        for number in range(20)
        for gateway in pair
    ]
    gevent.joinall(calls, timeout=10, raise_error=True)
    answers = [call.value for call in calls]
    for first, second in zip(answers[::2], answers[1::2], strict=True):
        assert first[0] == second[0]
        assert {first[1], second[1]} == {False, True}
    stored = pair[0].read(lambda transaction: transaction.row("SELECT count(*) FROM message"))
    assert stored == (20,)


def test_transports_of_two_processes_have_bits_of_their_own(pair):
    """Two starts at once that bring new transports: no two share a bit, and both know the same ones."""
    one, two = pair
    first, second = overlap(
        one.engine,
        two.engine,
        lambda transaction: transports.bits_of(transaction, ["ws", "sms"]),
        lambda: two.write(lambda transaction: transports.bits_of(transaction, ["oppo_like", "sms"])),
    )
    assert len({*first.values(), *second.values()}) == 3
    assert first["sms"] == second["sms"]


def test_rotated_keys_stay_two(pair, app):
    """Two operators rotate an app's key at once: two keys are live, not three."""
    one, two = pair
    one.rotate_key(app.id)

    def rotate(digest, transaction):
        return apps.add_key(transaction, app.id, digest, NOW)

    overlap(one.engine, two.engine, partial(rotate, "third"), lambda: two.write(partial(rotate, "fourth")))
    assert sorted(one.read(lambda transaction: apps.live_digests(transaction, app.key))) == [
        "fourth",
        "third",
    ]


def test_counters_of_one_message_add_up_from_two_processes(pair, app):
    """Both confirm the same deliveries, the messages in opposite order: nobody is counted twice."""
    tokens = [f"t{number}" for number in range(40)]
    keys = add_devices(pair[0], app, *tokens)
    ids = [f"m{number}" for number in range(3)]
    for message in store(pair[0], app, *ids):
        pair[0].write(lambda transaction, key=message: deliveries.insert_page(transaction, key, keys))

    def confirm_all(gateway, order):
        for one in order:
            for device in keys:
                gateway.confirm("ws", one, device)
                if device % 7 == 0:
                    gevent.sleep(0)
        gateway.flush()

    calls = [gevent.spawn(confirm_all, pair[0], ids), gevent.spawn(confirm_all, pair[1], ids[::-1])]
    gevent.joinall(calls, timeout=30, raise_error=True)
    assert [counts(pair[0], app, one) for one in ids] == [{"confirmed": 40}] * 3


def test_lane_counts_how_often_it_changes_hands(pair, app):
    """Who takes it again, and nobody had it in between, goes on as before."""

    def term_for(gateway):
        key = gateway.cluster.session.lease.key
        found = gateway.write(lambda transaction: workers.claim_lanes(transaction, [app.key], key))
        gateway.write(lambda transaction: workers.release_lane(transaction, app.key, key))
        return found[app.key].term

    one, two = pair
    assert [term_for(gateway) for gateway in (one, one, two, two, one)] == [1, 1, 2, 2, 3]


def test_page_spares_who_got_it_elsewhere_before_it_is_offered(pair, app):
    """A device may come here, with its message, between the commit of the page and its offer."""
    here, there = pair
    sockets = RecordingSockets()
    limits = {"takes": None, "deadline": 5.0, "concurrency": 1}
    outlet = Outlet(
        "one", 1, lambda message, devices, waited: [sockets.deliver(message, devices)], first=True, **limits
    )
    for gateway in pair:
        gateway.asking.open([outlet])
    keys = add_devices(here, app, "stays", "moves")
    [key] = store(here, app, "m1")
    here.write(lambda transaction: deliveries.insert_page(transaction, key, keys))
    stored = round(time.time() * 1000)
    message = here.find_message("m1")
    there.record("one", message, [Outcome(keys[1], Status.DELIVERED)])
    there.flush()
    for device in keys:
        here.presence.add(device)
    here.offering.first_round(message, keys, None, True, here.fence(), {}, stored)
    here.flush()
    assert sockets.calls == [("m1", keys[:1])]
    assert counts(here, app, "m1") == {"handedOff": 2}


def test_page_spares_who_is_offered_it_at_the_same_time(pair, app):
    """A page whose turn came late: it has come due meanwhile, and is being written to the device's socket."""
    here, _ = pair
    sockets, written = RecordingSockets(), Event()

    def write(message, devices, waited):
        written.wait(5)
        return [sockets.deliver(message, devices)]

    here.asking.open([Outlet("one", 1, write, first=True, takes=None, deadline=10.0, concurrency=1)])
    keys = add_devices(here, app, "came")
    [key] = store(here, app, "m1")
    here.write(lambda transaction: deliveries.insert_page(transaction, key, keys))
    stored = round(time.time() * 1000)
    message = here.find_message("m1")
    here.presence.add(keys[0])
    await_that(lambda: here.cluster.registry.is_alone(keys[0]))
    late = gevent.spawn(here.offering.offer_here, message, keys, here.fence())
    gevent.sleep(0)
    here.offering.first_round(message, keys, None, True, here.fence(), {}, stored)
    written.set()
    late.get(timeout=5)
    assert sockets.calls == [("m1", keys)]


def test_page_goes_on_to_where_a_device_is_until_it_has_moved(pair, app):
    """It begins to connect here while the page is looked up: what comes later goes there, too."""
    here, there = pair
    came, moves = keys = add_devices(here, app, "came", "moves")
    [key] = store(here, app, "m1")
    here.write(lambda transaction: deliveries.insert_page(transaction, key, keys))
    stored = round(time.time() * 1000)
    here.presence.add(came)
    await_that(lambda: here.cluster.registry.is_alone(came))
    message, holders = here.find_message("m1"), {moves: there.cluster.session.lease.key}
    moving = gevent.spawn(here.presence.announce, moves)
    here.offering.first_round(message, keys, None, True, here.fence(), holders, stored)
    here.flush()
    moving.get(timeout=5)
    [word] = there.read(lambda transaction: mail.read(transaction, holders[moves], set()))
    assert decode(word.payload).devices == [moves]
