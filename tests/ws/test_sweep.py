"""The sweep: who is pinged, who is dropped, and who is not."""

from __future__ import annotations

import pytest

from onepush_ws.hub import LINGER
from onepush_ws.sweep import Sweep
from tests.ws.doubles import read_available
from tests.ws.raw import PONG, client_frame

PING_BYTES = b"\x89\x00"


@pytest.fixture
def sweep(bench):
    """The sweep of the bench's connections; it ticks when told to."""
    return Sweep(bench.hub, bench.reader, bench.settings)


def ticks(sweep, seconds):
    """So many seconds of sweeping."""
    for _ in range(round(seconds / sweep.pause)):
        sweep.tick()


def test_each_connection_is_pinged_once_per_interval(bench, sweep):
    """In one interval every connection gets one ping."""
    peers = [bench.open_live(bench.gateway.add_device())[1] for _ in range(20)]
    for _ in range(100):
        sweep.tick()
        bench.gateway.clock.jump(sweep.pause)
        for connection in bench.hub.sockets.values():
            connection.awaiting = False
    assert [read_available(peer) for peer in peers] == [PING_BYTES] * 20


def test_silent_connection_is_dropped_after_timeout(bench, sweep):
    """No byte for the timeout after the ping: dropped within 35 s."""
    device = bench.gateway.add_device()
    bench.open_live(device)
    ticks(sweep, 25 + 8 + 1)
    assert device.key not in bench.gateway.presence


def test_unread_answer_saves_connection(bench, sweep):
    """Bytes that lie unread because the worker was busy count: no false close."""
    device = bench.gateway.add_device()
    _, peer = bench.open_live(device)
    for _ in range(3):
        peer.sendall(client_frame(PONG))
        ticks(sweep, 25)
    assert device.key in bench.gateway.presence


def test_slow_line_with_progress_is_kept(bench, sweep):
    """Who still takes bytes of a long queue is not dead, even if no ping came through."""
    device = bench.gateway.add_device()
    connection, peer = bench.open_live(device, narrow=True)
    while not connection.queue:
        bench.deliver(bench.gateway.add_message(device, alert="x" * 60_000), device)
    for _ in range(40):
        peer.recv(4000)
        bench.hub.flush(connection)
        while not connection.queue:
            bench.deliver(bench.gateway.add_message(device, alert="x" * 60_000), device)
        ticks(sweep, 2)
    assert device.key in bench.gateway.presence


def test_stalled_line_is_dropped(bench, sweep):
    """Who takes nothing of what waits is dead."""
    device = bench.gateway.add_device()
    connection, _ = bench.open_live(device, narrow=True)
    while not connection.queue:
        bench.deliver(bench.gateway.add_message(device, alert="x" * 60_000), device)
    ticks(sweep, 25 + 8 + 1)
    assert device.key not in bench.gateway.presence


def test_closing_connection_is_cut_off(bench, sweep):
    """A client that does not hang up after the close frame is cut off."""
    device = bench.gateway.add_device()
    bench.open_live(device)
    bench.hub.close_device(device.key)
    sweep.tick()
    assert len(bench.hub.sockets) == 1
    bench.gateway.clock.jump(LINGER)
    sweep.tick()
    assert bench.hub.sockets == {}
