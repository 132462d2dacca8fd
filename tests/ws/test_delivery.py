"""The deliver loop: what it writes, and what it says became of each device."""

from __future__ import annotations

from onepush_core import Outcome, Status
from onepush_ws.connection import CLOSING, CONGESTED, LIVE
from onepush_ws.delivery import SLICE
from onepush_ws.protocol import close_frame
from onepush_ws.reports import LOST_RETRY
from tests.ws.doubles import attempted, parse_frames, read_ids


def test_live_connection_gets_frame(bench):
    """A complete write of a message that wants no confirm is final."""
    device = bench.gateway.add_device()
    _, peer = bench.open_live(device)
    message = bench.gateway.add_message(device)
    assert bench.deliver(message, device) == {device.key: Outcome(device.key, Status.DELIVERED)}
    assert read_ids(peer) == [message.id]


def test_wanted_confirm_makes_sent(bench):
    """With needConfirm the write is only SENT, to be done again."""
    device = bench.gateway.add_device()
    bench.open_live(device)
    message = bench.gateway.add_message(device, need_confirm=True)
    assert bench.deliver(message, device) == {device.key: Outcome(device.key, Status.SENT, again=True)}


def test_devices_without_connection_are_not_mentioned(bench):
    """Who has no socket is left to the next transport."""
    here, away = bench.gateway.add_device(), bench.gateway.add_device()
    bench.open_live(here)
    message = bench.gateway.add_message(here, away)
    assert list(bench.deliver(message, away, here)) == [here.key]


def test_dead_connection_is_not_mentioned(bench):
    """A socket whose other end is gone is dropped, and its device left to the next transport."""
    device = bench.gateway.add_device()
    _, peer = bench.open_live(device)
    peer.close()
    assert bench.deliver(bench.gateway.add_message(device), device) == {}
    assert device.key not in bench.gateway.presence
    assert bench.hub.sockets == {}


def test_expired_and_cancelled_messages_are_not_written(bench):
    """Nothing is begun at or after the expiry, or after a cancel."""
    device = bench.gateway.add_device()
    _, peer = bench.open_live(device)
    expired = bench.gateway.add_message(device, expires_at=bench.gateway.clock.now())
    cancelled = bench.gateway.add_message(device)
    bench.gateway.cancelled.add(cancelled.key)
    assert bench.deliver(expired, device) == bench.deliver(cancelled, device) == {}
    assert read_ids(peer) == []


def test_cancel_stops_broadcast(bench):
    """A cancel in the middle of a broadcast spares the slices to come."""
    devices = [bench.gateway.add_device() for _ in range(2 * SLICE)]
    for device in devices:
        bench.open_live(device)
    message = bench.gateway.add_message(*devices)
    answers = iter([False, True])
    bench.gateway.is_cancelled = lambda _message: next(answers)
    assert len(bench.deliver(message, *devices)) == SLICE


def fill(bench, device):
    """Large messages for a connected device until one goes out in part only: that one."""
    while True:
        message = bench.gateway.add_message(device, alert="x" * 30_000)
        if bench.deliver(message, device)[device.key].status is Status.HELD:
            return message


def test_full_socket_holds_message_and_reports_later(bench):
    """What the socket does not take is HELD, and reported when it is out."""
    device = bench.gateway.add_device()
    connection, peer = bench.open_live(device, narrow=True)
    held = fill(bench, device)
    assert connection.state == CONGESTED
    later = bench.gateway.add_message(device)
    assert bench.deliver(later, device)[device.key].status is Status.HELD
    bench.pump(connection, peer)
    bench.reports.flush()
    assert bench.gateway.recorded(device) == [(held.key, Status.DELIVERED), (later.key, Status.DELIVERED)]
    assert connection.state == LIVE


def test_held_message_is_not_queued_twice(bench):
    """A message in hand that is offered again stays in hand once."""
    device = bench.gateway.add_device()
    connection, _ = bench.open_live(device, narrow=True)
    held = fill(bench, device)
    queued = connection.queued
    assert bench.deliver(held, device)[device.key].status is Status.HELD
    assert connection.queued == queued


def test_message_sent_from_the_queue_is_not_sent_again(bench):
    """Offered again before its report is recorded, it stays in hand; the report ends it."""
    device = bench.gateway.add_device()
    connection, peer = bench.open_live(device, narrow=True)
    held = fill(bench, device)
    bench.pump(connection, peer)
    assert connection.state == LIVE
    assert bench.deliver(held, device)[device.key].status is Status.HELD
    assert read_ids(peer) == []


def test_queued_message_is_not_begun_after_expiry(bench):
    """What expires or is cancelled in the queue is left out; the next one goes out."""
    device = bench.gateway.add_device()
    connection, peer = bench.open_live(device, narrow=True)
    begun = fill(bench, device)
    expiring = bench.gateway.add_message(device, expires_at=bench.gateway.clock.now() + 60_000)
    cancelled, last = bench.gateway.add_message(device), bench.gateway.add_message(device)
    for message in (expiring, cancelled, last):
        bench.deliver(message, device)
    bench.gateway.clock.jump(61.0)
    bench.gateway.cancelled.add(cancelled.key)
    bench.pump(connection, peer)
    bench.reports.flush()
    assert bench.gateway.recorded(device) == [(begun.key, Status.DELIVERED), (last.key, Status.DELIVERED)]


def test_lost_connection_reports_messages_in_hand(bench):
    """What was in hand of a connection that dies is FAILED, so that another transport may try."""
    device = bench.gateway.add_device()
    connection, _ = bench.open_live(device, narrow=True)
    begun = fill(bench, device)
    queued = bench.gateway.add_message(device)
    bench.deliver(queued, device)
    bench.hub.drop(connection)
    bench.reports.flush()
    outcomes = {message.key: outcome for message, (outcome,) in bench.gateway.records}
    failed = Outcome(device.key, Status.FAILED, "connection closed", LOST_RETRY)
    assert outcomes == {begun.key: failed, queued.key: failed}


def test_begun_frame_is_finished_before_close(bench):
    """A frame cut in the middle would make the close frame unreadable."""
    device = bench.gateway.add_device()
    connection, peer = bench.open_live(device, narrow=True)
    begun = fill(bench, device)
    unread = bench.gateway.add_message(device)
    bench.deliver(unread, device)
    bench.hub.close_device(device.key)
    assert connection.state == CLOSING
    data = bench.pump(connection, peer)
    while chunk := peer.recv(1 << 16):
        data += chunk
    assert data.endswith(close_frame(4404, "device unregistered"))
    assert [message["id"] for message in parse_frames(data)][-1] == begun.id
    bench.reports.flush()
    assert dict(bench.gateway.recorded(device)) == {begun.key: Status.DELIVERED, unread.key: Status.FAILED}


def test_reader_beyond_cap_is_closed(bench):
    """More than ``out_bytes`` waiting: closed, and everything that was in hand is reported."""
    device = bench.gateway.add_device()
    connection, _ = bench.open_live(device, narrow=True)
    begun = fill(bench, device)
    waiting = []
    while connection.state == CONGESTED:
        waiting.append(bench.gateway.add_message(device, alert="y" * 60_000))
        assert bench.deliver(waiting[-1], device)[device.key].status is Status.HELD
    assert bench.settings.out_bytes < sum(len(message.alert) for message in (begun, *waiting)) < 1_200_000
    assert device.key not in bench.gateway.presence
    bench.hub.drop(connection)
    bench.reports.flush()
    failed = {message.key: Status.FAILED for message in (begun, *waiting)}
    assert dict(bench.gateway.recorded(device)) == failed


def test_drained_message_is_not_sent_again(bench):
    """The first offer of a message that the backlog has brought already sends nothing."""
    device = bench.gateway.add_device()
    message = bench.gateway.add_message(device)
    _, peer = bench.open_live(device)
    assert bench.deliver(message, device)[device.key].status is Status.HELD
    assert read_ids(peer) == [message.id]


def test_drained_message_is_repeated_for_want_of_confirm(bench):
    """A later offer of a needConfirm message is a repeat, and is sent."""
    device = bench.gateway.add_device()
    message = bench.gateway.add_message(device, need_confirm=True)
    _, peer = bench.open_live(device)
    bench.deliver(message, attempted(device, 1))
    assert read_ids(peer) == [message.id] * 2


def test_late_message_with_smaller_key_is_sent(bench):
    """A message that the backlog did not bring is sent, even if a newer one was drained."""
    device = bench.gateway.add_device()
    late, newer = bench.gateway.add_message(), bench.gateway.add_message(device)
    _, peer = bench.open_live(device)
    assert bench.deliver(late, device)[device.key].status is Status.DELIVERED
    assert read_ids(peer) == [newer.id, late.id]


def test_settled_connection_forgets_what_was_drained(bench):
    """After two ping rounds the core knows; what it offers then is to be sent."""
    device = bench.gateway.add_device()
    message = bench.gateway.add_message(device)
    connection, peer = bench.open_live(device)
    connection.settle()
    connection.settle()
    assert bench.deliver(message, device)[device.key].status is Status.DELIVERED
    assert read_ids(peer) == [message.id] * 2
