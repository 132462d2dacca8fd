"""The backlog: in order, complete, never twice, whatever happens meanwhile."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.examples import any_machine
from onepush_core import Status
from onepush_ws.connection import DRAINING, LIVE
from onepush_ws.drain import PAGE
from tests.ws.doubles import Bench, parse_frames, read_available, read_ids


def test_backlog_is_sent_page_by_page(bench):
    """More than a page arrives whole and in order, and is reported."""
    device = bench.gateway.add_device()
    messages = [bench.gateway.add_message(device) for _ in range(2 * PAGE + 1)]
    connection, peer = bench.open_live(device)
    assert connection.state == LIVE
    assert read_ids(peer) == [message.id for message in messages]
    bench.reports.flush()
    assert bench.gateway.recorded(device) == [(message.key, Status.DELIVERED) for message in messages]


def test_message_offered_while_draining_is_held_and_sent(bench):
    """A message that comes while the backlog is read is brought by the backlog, after what was before."""
    device = bench.gateway.add_device()
    first = bench.gateway.add_message(device)
    connection, peer = bench.open(device)
    held = []

    def interrupt():
        bench.gateway.before_backlog = lambda: None
        held.append(bench.gateway.add_message(device))
        assert bench.deliver(held[0], device)[device.key].status is Status.HELD

    bench.gateway.before_backlog = interrupt
    bench.drain_all()
    assert connection.state == LIVE
    assert read_ids(peer) == [first.id, held[0].id]


def test_message_offered_behind_last_page_is_sent(bench):
    """The message comes after the empty page was read and before the connection is live."""
    device = bench.gateway.add_device()
    connection, peer = bench.open(device)
    calls = []

    def interrupt():
        calls.append(1)
        if len(calls) == 1:
            bench.deliver(bench.gateway.add_message(device), device)

    bench.gateway.before_backlog = interrupt
    bench.drain_all()
    assert connection.state == LIVE
    assert read_ids(peer) == ["message-1"]


def test_connection_closed_while_reading_gets_nothing(bench):
    """A backlog that arrives after the connection was replaced goes to the new one only."""
    device = bench.gateway.add_device()
    message = bench.gateway.add_message(device)
    _, old = bench.open(device)
    peers = []

    def interrupt():
        bench.gateway.before_backlog = lambda: None
        peers.append(bench.open(device)[1])

    bench.gateway.before_backlog = interrupt
    bench.drain_all()
    assert read_ids(old) == []
    assert read_ids(peers[0]) == [message.id]


def test_page_read_before_rebinding_is_not_sent(bench):
    """A page that was read before the device changed hands is read anew."""
    device = bench.gateway.add_device()
    bench.gateway.add_message(device)
    _, peer = bench.open(device)

    def interrupt():
        bench.gateway.before_backlog = lambda: None
        bench.gateway.pending[device.key] = []
        bench.hub.forget_queue(device.key)

    bench.gateway.before_backlog = interrupt
    bench.drain_all()
    assert read_ids(peer) == []


def test_device_that_connects_again_gets_no_more_on_its_old_connection(bench):
    """It may have been elsewhere meanwhile; when it does not come, the old one goes on from the backlog."""
    device = bench.gateway.add_device()
    connection, peer = bench.open_live(device)
    bench.hub.pause(device.key)
    missed, offered = bench.gateway.add_message(device), bench.gateway.add_message(device)
    assert bench.deliver(offered, device)[device.key].status is Status.HELD
    bench.drain_all()
    assert read_ids(peer) == []
    bench.hub.resume(device.key)
    bench.drain_all()
    assert connection.state == LIVE
    assert read_ids(peer) == [missed.id, offered.id]


def test_frame_half_written_before_starting_over_is_not_sent_again(bench):
    """It is finished, and reported a little later; the backlog is read at once."""
    device = bench.gateway.add_device()
    connection, peer = bench.open_live(device, narrow=True)
    message, later = (bench.gateway.add_message(device, alert="x" * 60_000) for _ in range(2))
    bench.deliver(message, device)
    assert connection.begun() is message
    bench.hub.start_over()
    data = bench.pump(connection, peer)
    while len(list(parse_frames(data))) < 2:
        data += peer.recv(1 << 16)
    frames = parse_frames(data + read_available(peer))
    assert [frame["id"] for frame in frames] == [message.id, later.id]


def test_frames_that_wait_are_not_sent_on_a_paused_connection(bench):
    """The device has left it, it may be that nobody reads it any more: the newer connection brings them."""
    device = bench.gateway.add_device()
    connection, old = bench.open_live(device, narrow=True)
    messages = [bench.gateway.add_message(device, alert="x" * 60_000) for _ in range(3)]
    for message in messages:
        bench.deliver(message, device)
    bench.hub.pause(device.key)
    bench.pump(connection, old)
    bench.reports.flush()
    assert {key for key, _ in bench.gateway.recorded(device)} == {messages[0].key}
    newer, peer = bench.open(device, narrow=True)
    bench.pump(newer, peer)
    bench.reports.flush()
    assert [key for key, _ in bench.gateway.recorded(device)] == [one.key for one in messages]


def test_frames_cut_off_by_starting_over_are_reported_lost(bench):
    """The connection ends before they come from the backlog."""
    device = bench.gateway.add_device()
    connection, _ = bench.open_live(device, narrow=True)
    messages = [bench.gateway.add_message(device, alert="x" * 60_000) for _ in range(3)]
    for message in messages:
        bench.deliver(message, device)
    bench.hub.start_over()
    bench.hub.drop(connection)
    bench.reports.flush()
    assert {key for key, _ in bench.gateway.recorded(device)} == {message.key for message in messages}


def test_message_sent_after_starting_over_is_remembered_as_after_connecting(bench):
    """The sweep forgets what was sent long ago, not what has just come from the backlog."""
    device = bench.gateway.add_device()
    bench.gateway.add_message(device)
    connection, peer = bench.open_live(device)
    connection.settle()
    bench.reports.flush()
    bench.hub.start_over()
    message = bench.gateway.add_message(device)
    bench.drain_all()
    connection.settle()
    read_ids(peer)
    bench.deliver(message, device)
    assert read_ids(peer) == []


def test_page_read_before_starting_over_is_not_sent(bench):
    """What was read of a backlog before the worker was silent may have been sent elsewhere since."""
    device = bench.gateway.add_device()
    message = bench.gateway.add_message(device)
    _, peer = bench.open(device)
    sent = []

    def interrupt():
        bench.gateway.before_backlog = lambda: sent.append(read_ids(peer))
        bench.hub.start_over()

    bench.gateway.before_backlog = interrupt
    bench.drain_all()
    assert sent[0] == []
    assert [one for ids in sent for one in ids] == [message.id]


def test_slow_reader_parks_backlog(bench):
    """The backlog of a slow reader stays in the store and goes on when the socket has room."""
    device = bench.gateway.add_device()
    messages = [bench.gateway.add_message(device, alert="x" * 30_000) for _ in range(20)]
    connection, peer = bench.open(device, narrow=True)
    bench.drain_all()
    assert (connection.state, connection.parked) == (DRAINING, True)
    assert len(connection.queue) == 1
    bench.pump(connection, peer)
    bench.reports.flush()
    assert connection.state == LIVE
    assert [key for key, _ in bench.gateway.recorded(device)] == [message.key for message in messages]


def test_message_held_while_draining_is_reported_lost(bench):
    """A connection that dies before its backlog was sent reports what was offered meanwhile."""
    device = bench.gateway.add_device()
    connection, _ = bench.open(device)
    message = bench.gateway.add_message(device)
    bench.deliver(message, device)
    bench.hub.drop(connection)
    bench.reports.flush()
    assert bench.gateway.recorded(device) == [(message.key, Status.FAILED)]


def test_first_offer_after_reconnect_sends_nothing_twice(bench):
    """The message was drained, and recorded; the device came back before it was first offered."""
    device = bench.gateway.add_device()
    message = bench.gateway.add_message(device)
    bench.open_live(device)
    bench.reports.flush()
    _, peer = bench.open_live(device)
    assert bench.deliver(message, device)[device.key].status is Status.HELD
    assert read_ids(peer) == []


def test_replaced_connection_reports_nothing(bench):
    """What a replaced connection had in hand is the newer one's business, even if it still goes out."""
    device = bench.gateway.add_device()
    older, peer = bench.open_live(device, narrow=True)
    while not older.queue:
        bench.deliver(bench.gateway.add_message(device, alert="x" * 30_000), device)
    begun, queued = list(bench.gateway.messages.values())[-1], bench.gateway.add_message(device)
    bench.deliver(queued, device)
    _, newer = bench.open(device)
    bench.pump(older, peer)
    bench.reports.flush()
    assert bench.gateway.recorded(device)[:2] == [
        (begun.key, Status.DELIVERED),
        (queued.key, Status.DELIVERED),
    ]
    assert read_ids(newer) == [begun.id, queued.id]


class Journey:
    """One device's messages, connections and losses; what it received on all its connections."""

    def __init__(self):
        self.bench = Bench()
        self.device = self.bench.gateway.add_device()
        self.connection = self.peer = None
        self.offers = []
        self.received = []

    def accept(self):
        self.offers.append(self.bench.gateway.add_message(self.device))

    def offer(self):
        if self.offers:
            self.bench.deliver(self.offers.pop(0), self.device)

    def connect(self):
        older = self.peer
        self.connection, self.peer = self.bench.open(self.device)
        self.collect(older)

    def lose(self):
        if self.connection is not None:
            self.bench.hub.drop(self.connection)
            self.collect(self.peer)
            self.connection = self.peer = None

    def drain(self):
        self.bench.drain_page()

    def report(self):
        self.bench.reports.flush()

    def collect(self, peer):
        self.bench.reports.flush()
        if peer is not None:
            self.received += read_ids(peer)

    def finish(self):
        self.connect()
        while self.offers:
            self.offer()
        self.bench.drain_all()
        self.collect(self.peer)
        self.bench.close()


STEPS = st.lists(
    st.sampled_from(["accept", "offer", "connect", "lose", "drain", "drain", "report"]), max_size=60
)


@given(STEPS)
@settings(any_machine, max_examples=500)
def test_every_message_arrives_once_and_in_order(steps):
    """However accepting, offering, connecting, losing and draining mix: all arrive, once, in order."""
    journey = Journey()
    for step in steps:
        getattr(journey, step)()
    journey.finish()
    assert journey.received == [message.id for message in journey.bench.gateway.messages.values()]
