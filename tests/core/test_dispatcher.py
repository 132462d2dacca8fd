"""The dispatcher: everything accepted is offered, in order, whatever happened to the process before."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import gevent
import msgspec
import pytest
from gevent.event import Event

from core_doubles import add_device, make_app
from harness.databases import store_settings
from inside_gateway import PATIENCE, counts, running, send, settle
from onepush_core.dispatcher import PAGES, SHARED_PAGES, Dispatcher
from onepush_core.errors import DispatchStuck
from onepush_core.fences import Alone
from onepush_core.gateway import Gateway
from onepush_core.hookspecs import hookimpl
from onepush_core.lanes import Lane, Task
from onepush_core.objects import App, Message, Outcomes, Selector, Status
from onepush_core.offering import HANDED_OVER
from onepush_core.settings import Settings
from onepush_core.store import audience, messages
from onepush_core.testing import ManualClock, RecordingSockets, await_that

FAR_OFF = 4_000_000_000_000


class Gate:
    """A transport asked first that waits at the gate of each app in ``shut``, and notes who came through."""

    def __init__(self, *shut: str) -> None:
        self.shut = set(shut)
        self.open = Event()
        self.entered = Event()
        self.seen: list[str] = []

    @hookimpl(tryfirst=True)
    def deliver(self, message, devices):
        self.entered.set()
        if message.app.name in self.shut:
            self.open.wait(PATIENCE)
        self.seen.append(message.id)
        return [Outcomes(devices.keys, Status.DELIVERED)]


class Dying:
    """A transport that answers some calls; in the next one the process ends, as far as the lane can tell."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.keys: list[int] = []
        self.dead = Event()

    @hookimpl(tryfirst=True)
    def deliver(self, message, devices):
        if not self.calls:
            self.dead.set()
            raise gevent.GreenletExit
        self.calls -= 1
        self.keys += devices.keys
        return [Outcomes(devices.keys, Status.DELIVERED)]


class Unsure:
    """Knows the audience FRIENDS, but not always."""

    def __init__(self) -> None:
        self.fails = False
        self.asked = 0

    @hookimpl
    def resolve_audience(self, app, selector):
        if selector.kind != "FRIENDS":
            return None
        self.asked += 1
        if self.fails:
            raise OSError("the directory of friends does not answer")
        return audience.whole_app(app.key)


class Listing:
    """Knows the audience LISTED: device ids as they come."""

    def __init__(self, ids) -> None:
        self.ids = ids

    @hookimpl
    def resolve_audience(self, app, selector):
        return iter(self.ids) if selector.kind == "LISTED" else None


def stored_message(app: App, number: int, **fields) -> Message:
    return Message(
        key=0,
        id=f"m{number:05}",
        app=app,
        alert="hi",
        accepted_at=1,
        expires_at=FAR_OFF,
        **fields,
    )


def store(gateway: Gateway, stored: list[Message]) -> list[int]:
    """Put messages into the store behind the dispatcher's back; their keys."""
    return gateway.write(lambda transaction: [messages.insert_message(transaction, one) for one in stored])


def insert_pending(device: int, transaction) -> None:
    """What is in the store when a process dies after the rows and before the outcomes of message 1."""
    transaction.execute(
        "INSERT INTO delivery(message, device, state, attempts, asked, again) VALUES (1, ?, 0, 0, 0, 0)",
        (device,),
    )
    transaction.execute("UPDATE message SET total = 1 WHERE key = 1")


def test_dispatcher_keeps_the_order_of_acceptance(tmp_path):
    """Many callers at once: each device is offered the messages in the order in which they were stored."""
    gate = Gate()
    with running(tmp_path, gate) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        senders = [gevent.spawn(send, gateway, app) for _ in range(150)]
        gevent.joinall(senders, timeout=PATIENCE, raise_error=True)
        settle(gateway)
        stored = gateway.read(lambda transaction: transaction.rows("SELECT id FROM message ORDER BY key"))
    assert gate.seen == [row[0] for row in stored]
    assert len(gate.seen) == 150


def test_lanes_do_not_wait_for_each_other(tmp_path):
    """A transport that is slow with one app's messages holds up no other app."""
    gate = Gate("slow")
    with running(tmp_path, gate) as gateway:
        slow, fast = make_app(gateway, "slow"), make_app(gateway, "fast")
        add_device(gateway, slow, "t")
        add_device(gateway, fast, "t")
        held = send(gateway, slow)
        assert gate.entered.wait(PATIENCE)
        passed = send(gateway, fast)
        await_that(lambda: counts(gateway, fast, passed) == {"handedOff": 1})
        assert counts(gateway, slow, held) == {"pending": 1}
        gate.open.set()
        settle(gateway)
        assert counts(gateway, slow, held) == {"handedOff": 1}


def test_dispatcher_finishes_what_another_process_accepted(tmp_path):
    """A message that was stored by a process that died at once is offered by the next one."""
    settings = Settings(store=store_settings(tmp_path))
    with running(tmp_path) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
    with Gateway.open(settings) as gateway:
        store(gateway, [stored_message(app, number) for number in range(3)])
    recorder = RecordingSockets()
    with running(tmp_path, recorder) as gateway:
        settle(gateway)
        assert [message for message, _ in recorder.calls] == ["m00000", "m00001", "m00002"]
        assert gateway.status(app, "m00000")["state"] == "finished"


def test_dispatcher_goes_on_from_the_cursor(tmp_path):
    """After a crash in the middle of an audience those who had it are spared, and the rest gets it once."""
    dying = Dying(calls=1)
    with running(tmp_path, dying, page_size=2) as gateway:
        app = make_app(gateway)
        keys = [add_device(gateway, app, f"t{number}") for number in range(50)]
        message = send(gateway, app)
        assert dying.dead.wait(PATIENCE)
    recorder = RecordingSockets()
    with running(tmp_path, recorder, page_size=2) as gateway:
        settle(gateway)
        again = [key for _, offered in recorder.calls for key in offered]
        assert counts(gateway, app, message) == {"handedOff": 50}
        assert gateway.status(app, message)["state"] == "finished"
    assert 0 < len(dying.keys) < 50
    assert dying.keys + again == keys


def test_dispatcher_repeats_a_page_whose_outcomes_were_lost(tmp_path):
    """Killed between the write to the socket and the commit: offered once more, counted once."""
    with running(tmp_path) as gateway:
        app = make_app(gateway)
        key = add_device(gateway, app, "t")
        gateway.dispatcher.stopping = True
        message = send(gateway, app)
        gateway.write(partial(insert_pending, key))
    recorder = RecordingSockets()
    with running(tmp_path, recorder) as gateway:
        settle(gateway)
        assert recorder.calls == [(message, [key])]
        assert counts(gateway, app, message) == {"handedOff": 1}
        assert gateway.status(app, message)["total"] == 1


@pytest.fixture
def few(monkeypatch):
    """Messages that a lane remembers: few, so that it need not take long to have more."""
    monkeypatch.setattr("onepush_core.lanes.REMEMBERED", 300)
    return 300


def test_lagging_lane_reads_on_from_the_store(tmp_path, few):
    """More messages than a lane remembers: each is offered once, in order, those accepted meanwhile last."""
    gate = Gate("test")
    with running(tmp_path, gate) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        stored = [stored_message(app, number) for number in range(few + 100)]
        source = audience.whole_app(app.key)
        for message, key in zip(stored, store(gateway, stored), strict=True):
            gateway.dispatcher.accept(msgspec.structs.replace(message, key=key), source)
        assert gate.entered.wait(PATIENCE)
        last = send(gateway, app)
        gate.open.set()
        settle(gateway)
    assert gate.seen == [*[one.id for one in stored], last]


def test_recovery_reads_more_than_a_lane_remembers(tmp_path, few):
    """After a long outage of the worker everything that was accepted is taken up, in order."""
    recorder = RecordingSockets()
    with running(tmp_path, recorder) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        stored = [stored_message(app, number) for number in range(few + 100)]
        store(gateway, stored)
        gateway.dispatcher.recover()
        settle(gateway)
    assert [message for message, _ in recorder.calls] == [one.id for one in stored]


def test_failing_resolver_costs_a_delay(tmp_path):
    """A message found after a crash whose audience cannot be resolved waits; others do not wait for it."""
    unsure, recorder = Unsure(), RecordingSockets()
    with running(tmp_path, unsure, recorder) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        friends = Selector("FRIENDS", ("ben",))
        unsure.fails = True
        store(gateway, [stored_message(app, 1, selector=friends), stored_message(app, 2)])
        gateway.dispatcher.recover()
        await_that(lambda: [message for message, _ in recorder.calls] == ["m00002"])
        assert gateway.status(app, "m00001")["state"] == "dispatching"
        unsure.fails = False
        await_that(lambda: recorder.calls[-1][0] == "m00001")
        settle(gateway)
        assert gateway.status(app, "m00001")["state"] == "finished"


def test_pages_of_ids_spare_each_other(tmp_path):
    """Pages of ids lie between each other; a device of the first that is offline stays pending."""
    listing, recorder = Listing([]), RecordingSockets()
    with running(tmp_path, listing, recorder, page_size=1) as gateway:
        app = make_app(gateway)
        keys = [add_device(gateway, app, f"t{number}") for number in range(2 * PAGES)]
        ids = gateway.read(lambda transaction: transaction.rows("SELECT id FROM device ORDER BY key"))
        listing.ids = [ids[index][0] for index in [*range(0, 2 * PAGES, 2), *range(1, 2 * PAGES, 2)]]
        recorder.connected = {key for key in keys if key != keys[2]}
        message = send(gateway, app, Selector("LISTED", ("x",)))
        settle(gateway)
        pages = SHARED_PAGES if gateway.engine.shared else PAGES
        assert [len(offered) for _, offered in recorder.calls] == [pages] * (2 * PAGES // pages)
        assert counts(gateway, app, message) == {"handedOff": 2 * PAGES - 1, "pending": 1}


def test_pages_of_ids_go_on_after_a_restart(tmp_path):
    """Ids are listed from the start again, and all of their devices get the message, each once."""
    listing, recorder = Listing([]), RecordingSockets()
    with running(tmp_path, listing, recorder, page_size=1) as gateway:
        app = make_app(gateway)
        for number in range(3 * PAGES):
            add_device(gateway, app, f"t{number}")
        ids = gateway.read(lambda transaction: transaction.rows("SELECT id FROM device ORDER BY key"))
        listing.ids = [row[0] for row in ids]
        gateway.dispatcher.stop()
        message = send(gateway, app, Selector("LISTED", ("x",)))
    with running(tmp_path, listing, recorder, page_size=1) as gateway:
        settle(gateway)
        assert counts(gateway, app, message) == {"handedOff": 3 * PAGES}
        assert sum(len(offered) for _, offered in recorder.calls) == 3 * PAGES


def test_hanging_audience_costs_a_delay(tmp_path, monkeypatch):
    """Ids that do not come do not hold up the other messages of the app."""
    monkeypatch.setattr("onepush_core.audiences.FETCH_DEADLINE", 0.01)
    monkeypatch.setattr("onepush_core.lanes.PATIENCE", 0.01)
    never, recorder = Event(), RecordingSockets()
    listing = Listing(iter(never.wait, True))
    with running(tmp_path, listing, recorder) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        hanging = send(gateway, app, Selector("LISTED", ("x",)))
        other = send(gateway, app)
        await_that(lambda: [message for message, _ in recorder.calls] == [other])
        assert gateway.status(app, hanging)["state"] == "dispatching"


def test_refilled_lane_keeps_a_postponed_message(tmp_path, monkeypatch):
    """Put back while the lane reads on from the store: it is not forgotten."""
    recorder, read = RecordingSockets(), Dispatcher.undispatched
    with running(tmp_path, recorder) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        stored = [stored_message(app, number) for number in (1, 2)]
        first, second = store(gateway, stored)
        lane = Lane(gateway.dispatcher, app.key, Alone())

        def read_meanwhile(dispatcher, *arguments):
            found = read(dispatcher, *arguments)
            lane._put_back(Task(msgspec.structs.replace(stored[0], key=first)))
            return [task for task in found if task.message.key == second]

        monkeypatch.setattr(Dispatcher, "undispatched", read_meanwhile)
        lane._last = first
        lane.reload()
        await_that(lambda: not lane.busy)
    assert sorted(message for message, _ in recorder.calls) == ["m00001", "m00002"]


def test_dispatcher_offers_nothing_of_a_cancelled_message(tmp_path):
    """Cancelled while it waits in its lane: nobody gets it any more."""
    gate = Gate("test")
    with running(tmp_path, gate) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        first = send(gateway, app)
        assert gate.entered.wait(PATIENCE)
        second = send(gateway, app)
        gateway.cancel(app, second)
        gate.open.set()
        settle(gateway)
        assert gate.seen == [first]
        assert gateway.status(app, second)["state"] == "cancelled"


def test_dispatcher_offers_nothing_after_expiry(tmp_path):
    """What waited too long in its lane ends without being offered."""
    gate, clock = Gate("test"), ManualClock()
    with running(tmp_path, gate, clock=clock) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        first = send(gateway, app)
        assert gate.entered.wait(PATIENCE)
        send(gateway, app, duration=5)
        clock.jump(5)
        gate.open.set()
        settle(gateway)
    assert gate.seen == [first]


def test_stop_leaves_the_rest_to_the_next_process(tmp_path):
    """What a stopping process has not begun is still there, and comes first in the next one."""
    gate = Gate("test")
    with running(tmp_path, gate) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        sent = [send(gateway, app)]
        assert gate.entered.wait(PATIENCE)
        sent += [send(gateway, app) for _ in range(3)]
        gateway.dispatcher.stop()
        gate.open.set()
        settle(gateway)
        assert gate.seen == sent[:1]
    recorder = RecordingSockets()
    with running(tmp_path, recorder) as gateway:
        settle(gateway)
    assert [message for message, _ in recorder.calls] == sent[1:]


def test_probe_notices_a_stuck_lane(tmp_path):
    """A lane that has been at one step for more than eight seconds makes the gateway unready."""
    gate, clock = Gate("test"), ManualClock()
    with running(tmp_path, gate, clock=clock) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        gateway.probe_dispatch()
        send(gateway, app)
        assert gate.entered.wait(PATIENCE)
        gateway.probe_dispatch()
        clock.jump(9)
        with pytest.raises(DispatchStuck):
            gateway.probe_dispatch()
        gate.open.set()
        settle(gateway)
        gateway.probe_dispatch()


def test_dispatcher_catches_up_with_a_worker_whose_clock_is_ahead():
    """By a second at most: what that one handed over last comes due so much later here."""
    clock, until = ManualClock(), []
    store = SimpleNamespace(shared=True)
    dispatcher = Dispatcher(
        store, None, None, clock, 100, None, catch_up=lambda app, moment: until.append(moment)
    )
    dispatcher.catch_up(1)
    assert until == [clock.now() + HANDED_OVER + 1000]
