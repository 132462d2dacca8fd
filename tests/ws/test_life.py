"""The life of a connection: replaced, unregistered, silent, too slow, and the end of the server."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from tests.ws.raw import PING, PONG, TEXT, client_frame


def test_newer_connection_replaces_older(server, device):
    """One socket per device: the newest wins, the older one hears 4408."""
    with server.connect(device) as old, server.connect(device) as new:
        assert old.receive_close() == 4408
        message = server.send(device)
        assert new.receive_message()["id"] == message


def test_late_close_keeps_newer_connection(server, device):
    """The late end of the older connection must not evict the newer one."""
    old = server.connect(device)
    with server.connect(device) as new:
        assert old.receive_close() == 4408
        old.socket.close()
        assert new.is_open()
        server.await_online(device)
        message = server.send(device)
        assert new.receive_message()["id"] == message


def test_confirm_on_replaced_connection_counts(server, device):
    """A confirm that crosses the close frame is not lost."""
    with server.connect(device) as old:
        message = server.send(device, need_confirm=True)
        old.receive_message()
        with server.connect(device) as new:
            new.receive_message()
            old.send(client_frame(TEXT, f"CFM:{message}".encode()))
            server.await_confirm(message, device)


def test_unregister_closes_with_4404(server, device, client):
    """An unregistered device loses its connection."""
    server.unregister(device)
    assert client.receive_close() == 4404


def test_backlog_arrives_before_live(server, device):
    """What waited comes first, oldest first, whatever is sent meanwhile."""
    ids = [server.send(device) for _ in range(250)]
    with server.connect(device) as client:
        ids += [server.send(device) for _ in range(20)]
        assert [client.receive_message()["id"] for _ in ids] == ids


def test_half_read_backlog_comes_again_after_reconnect(server, device):
    """Without a confirm a message comes at each connect."""
    ids = [server.send(device, need_confirm=True) for _ in range(3)]
    for _ in range(2):
        with server.connect(device) as client:
            assert [client.receive_message()["id"] for _ in ids] == ids


def test_ios_gets_sound_and_badge(server):
    """Only IOS devices get sound and badge; both get the rest."""
    phone, browser = server.register("IOS"), server.register("WEB")
    with server.connect(phone) as one, server.connect(browser) as other:
        server.send(phone, browser, sound="ding", badge=0, title="T", tenant="t")
        on_phone, in_browser = one.receive_message(), other.receive_message()
    assert (on_phone.pop("sound"), on_phone.pop("badge")) == ("ding", 0)
    assert on_phone == in_browser
    assert (in_browser["title"], in_browser["tenantCode"]) == ("T", "t")


def test_expired_message_is_not_sent(server, device):
    """Nothing leaves at or after its expiry."""
    server.send(device, expires_at=int(time.time() * 1000))
    with server.connect(device) as client:
        message = server.send(device)
        assert client.receive_message()["id"] == message


@pytest.fixture(scope="module")
def impatient(start_server):
    """A server that asks and gives up soon."""
    return start_server(ping_interval=0.8, ping_timeout=0.4)


def test_silent_peer_is_dropped(impatient):
    """Who answers no ping is dropped."""
    device = impatient.register()
    with impatient.connect(device) as client:
        began = time.monotonic()
        while True:
            try:
                client.receive()
            except (EOFError, ConnectionResetError):
                break
        assert time.monotonic() - began < 6


@pytest.mark.parametrize("answer", [client_frame(PONG), client_frame(TEXT, b"x"), client_frame(PONG)[:1]])
def test_any_byte_keeps_connection(impatient, answer):
    """Any byte is a sign of life, a pong or not, even half a frame."""
    device = impatient.register()
    with impatient.connect(device) as client:
        for _ in range(3):
            assert client.receive() == (PING, b"")
            client.send(answer)
            if len(answer) == 1:
                client.send(client_frame(PONG)[1:])


def test_slow_reader_is_closed_and_keeps_messages(start_server):
    """Who does not read is closed beyond the cap; others do not notice, and nothing is lost."""
    server = start_server(out_bytes=65_536)
    slow, quick = server.register(), server.register()
    text = "x" * 60_000
    with server.connect(slow, receive_buffer=4096) as stuck, server.connect(quick) as reader:
        assert stuck.is_open()
        sent = []
        for _ in range(200):
            sent.append(server.send(slow, quick, alert=text))
            assert reader.receive_message()["id"] == sent[-1]
        got = []
        try:
            while True:
                opcode, payload = stuck.receive()
                if opcode == TEXT:
                    got.append(payload)
                else:
                    break
        except (EOFError, ConnectionResetError):
            pass
        assert len(got) < len(sent)
    with server.connect(slow) as again:
        rest = [again.receive_message()["id"] for _ in range(len(sent) - len(got))]
    assert rest == sent[len(got) :]


def test_stalled_reader_gets_whole_backlog(server, device):
    """A backlog larger than any buffer waits for the reader, in order."""
    ids = [server.send(device, alert="y" * 60_000) for _ in range(150)]
    with server.connect(device, receive_buffer=4096) as client:
        ids += [server.send(device) for _ in range(5)]
        assert [client.receive_message()["id"] for _ in ids] == ids


def connect_all(stack, server, count):
    """Raw clients of new devices, closed with the stack."""
    return [stack.enter_context(server.connect(server.register())) for _ in range(count)]


def test_stop_closes_with_1012(start_server):
    """At the end of the server every client hears 1012, and the server is gone soon."""
    server = start_server(drain_seconds=0.5)
    with ExitStack() as stack:
        clients = connect_all(stack, server, 50)
        assert all(client.is_open() for client in clients)
        seconds = server.stop()
        assert [client.receive_close() for client in clients] == [1012] * 50
    assert seconds < 5


def test_stop_takes_the_time_it_is_given(start_server):
    """With the longest farewell, too, every client hears 1012."""
    server = start_server(drain_seconds=2.5)
    with ExitStack() as stack:
        clients = connect_all(stack, server, 50)
        assert all(client.is_open() for client in clients)
        seconds = server.stop()
        assert [client.receive_close() for client in clients] == [1012] * 50
    assert seconds < 5


def test_stop_cuts_off_silent_clients(start_server):
    """Clients that do not hang up do not hold the server."""
    server = start_server(drain_seconds=0.2)
    with ExitStack() as stack:
        connect_all(stack, server, 5)
        assert server.stop() < 5
