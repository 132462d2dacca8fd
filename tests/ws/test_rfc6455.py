"""RFC 6455 by raw socket: framing, fragments, control frames, masks, lengths, UTF-8, close codes."""

from __future__ import annotations

import pytest

from tests.ws.raw import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    client_frame,
    close_payload,
)


def test_heartbeat_gets_answer(client):
    """The one text that is answered: HBT… brings ACK1."""
    client.send_text("HBT")
    assert client.receive_after_pings() == (TEXT, b"ACK1")


def test_client_receives_message(server, device, client):
    """A message reaches its device as one text frame."""
    message = server.send(device, alert="grüße", extra={"a": [1, None]})
    assert client.receive_message() == {
        "id": message,
        "appId": "app-7",
        "alert": "grüße",
        "pushMsgType": "MSG",
        "needConfirm": False,
        "extra": {"a": [1, None]},
    }


@pytest.mark.parametrize("size", [100, 4_000, 100_000])
def test_server_uses_each_length_form(server, device, client, size):
    """Short, 16-bit and 64-bit lengths arrive whole."""
    server.send(device, alert="x" * size)
    assert client.receive_message()["alert"] == "x" * size


def test_confirm_reaches_gateway(server, device, client):
    """CFM:<id> counts for the device of this connection."""
    message = server.send(device, need_confirm=True)
    client.send_text(f"CFM:{client.receive_message()['id']}")
    server.await_confirm(message, device)


def test_fragmented_confirm_reaches_gateway(server, device, client):
    """A text in fragments, with a ping in between, is one text."""
    message = server.send(device, need_confirm=True)
    client.receive_message()
    text = f"CFM:{message}".encode()
    client.send(client_frame(TEXT, text[:3], fin=False))
    client.send(client_frame(PING, b"mid"))
    assert client.receive_after_pings() == (PONG, b"mid")
    client.send(client_frame(CONTINUATION, text[3:5], fin=False) + client_frame(CONTINUATION, text[5:]))
    server.await_confirm(message, device)


def test_bytewise_frames_are_understood(client):
    """A frame that dribbles in byte by byte is still a frame, and so is the next."""
    for byte in client_frame(TEXT, b"HBT") + client_frame(TEXT, b"HBT", form=126):
        client.send(bytes([byte]))
    assert [client.receive_after_pings(), client.receive_after_pings()] == [(TEXT, b"ACK1")] * 2


def test_joined_frames_are_understood(client):
    """Short, long and control frames in one segment, the last one in two."""
    frames = [
        client_frame(TEXT, b"HBT"),
        client_frame(PING, b"1"),
        client_frame(TEXT, b"HBT" + b"x" * 500),
        client_frame(TEXT, b"HBT"),
    ]
    joined = b"".join(frames)
    client.send(joined[:-3])
    client.send(joined[-3:])
    got = [client.receive_after_pings() for _ in range(4)]
    assert sorted(got) == sorted([(TEXT, b"ACK1")] * 3 + [(PONG, b"1")])


@pytest.mark.parametrize("form", [126, 127])
def test_long_length_forms_are_understood(client, form):
    """A short payload in a longer length form."""
    client.send(client_frame(TEXT, b"HBT", form=form))
    assert client.receive_after_pings() == (TEXT, b"ACK1")


@pytest.mark.parametrize("payload", [b"", b"x", b"\xff" * 125])
def test_ping_brings_pong(client, payload):
    """A pong carries the ping's payload, whatever it is."""
    client.send(client_frame(PING, payload))
    assert client.receive_after_pings() == (PONG, payload)


def test_unasked_pong_is_ignored(client):
    """A pong nobody asked for changes nothing."""
    client.send(client_frame(PONG, b"hello"))
    assert client.is_open()


def test_unknown_text_is_ignored(client):
    """Texts that mean nothing, an empty one among them, change nothing."""
    for text in ("", "hello", "CFM:", "cfm:1", "CFM:" + "x" * 100, "ÄÖÜ 漢字"):
        client.send_text(text)
    assert client.is_open()


PROTOCOL_ERRORS = {
    "no mask": client_frame(TEXT, b"HBT", mask=None),
    "rsv1": client_frame(TEXT, b"HBT", rsv=4),
    "rsv2": client_frame(TEXT, b"HBT", rsv=2),
    "rsv3": client_frame(TEXT, b"HBT", rsv=1),
    "rsv1 on ping": client_frame(PING, b"", rsv=4),
    **{f"opcode {code:x}": client_frame(code) for code in (3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF)},
    "continuation of nothing": client_frame(CONTINUATION, b"x"),
    "text within fragments": client_frame(TEXT, b"a", fin=False) + client_frame(TEXT, b"b"),
    "fragmented ping": client_frame(PING, b"a", fin=False),
    "long ping": client_frame(PING, b"a" * 126),
    "long close": client_frame(CLOSE, close_payload(1000, b"a" * 124)),
    "one byte of close": client_frame(CLOSE, b"\x03"),
    **{
        f"close code {code}": client_frame(CLOSE, close_payload(code))
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    },
    "close within fragments": client_frame(TEXT, b"a", fin=False) + client_frame(CLOSE, close_payload(1000)),
}


@pytest.mark.parametrize("name", PROTOCOL_ERRORS)
def test_protocol_error_closes_connection(client, name):
    """What RFC 6455 forbids ends the connection with 1002."""
    client.send(PROTOCOL_ERRORS[name])
    assert client.receive_close() == 1002


BAD_UTF8 = [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"abc\xe4"]


@pytest.mark.parametrize("text", BAD_UTF8)
def test_bad_utf8_closes_connection(client, text):
    """Invalid UTF-8 in a text: 1007, in one frame as in two."""
    client.send(client_frame(TEXT, text))
    assert client.receive_close() == 1007


def test_bad_utf8_in_fragments_closes_connection(client):
    """Invalid UTF-8 that only the whole text shows."""
    client.send(client_frame(TEXT, b"\xe4", fin=False) + client_frame(CONTINUATION, b"x"))
    assert client.receive_close() == 1007


def test_bad_utf8_in_close_reason_closes_connection(client):
    """Invalid UTF-8 in the reason of a close frame."""
    client.send(client_frame(CLOSE, close_payload(1000, b"\xff")))
    assert client.receive_close() == 1007


def test_split_character_is_understood(client):
    """A character cut by a fragment is whole again."""
    text = "HBT ä".encode()
    client.send(client_frame(TEXT, text[:-1], fin=False) + client_frame(CONTINUATION, text[-1:]))
    assert client.receive_after_pings() == (TEXT, b"ACK1")


@pytest.mark.parametrize("fin", [True, False])
def test_binary_closes_connection(client, fin):
    """Binary frames are not taken: 1003."""
    client.send(client_frame(BINARY, b"HBT", fin=fin))
    assert client.receive_close() == 1003


def test_largest_message_is_taken(client):
    """4,096 bytes are allowed."""
    client.send(client_frame(TEXT, b"HBT" + b"x" * 4093))
    assert client.receive_after_pings() == (TEXT, b"ACK1")


TOO_BIG = {
    "one byte more": client_frame(TEXT, b"x" * 4097),
    "claim of 64 KiB": client_frame(TEXT, b"", claim=65_535),
    "claim of 1 GiB": client_frame(TEXT, b"", claim=1 << 30),
    "claim of 2^63": client_frame(TEXT, b"", claim=1 << 63),
    "in fragments": client_frame(TEXT, b"x" * 4000, fin=False) + client_frame(CONTINUATION, b"x" * 97),
}


@pytest.mark.parametrize("name", TOO_BIG)
def test_too_big_message_closes_connection(client, name):
    """More than 4,096 bytes, or the claim of it: 1009, without waiting for the payload."""
    client.send(TOO_BIG[name])
    assert client.receive_close() == 1009


def test_sixteen_fragments_are_taken(client):
    """As many fragments as are allowed."""
    client.send(client_frame(TEXT, b"HBT", fin=False) + client_frame(CONTINUATION, b"", fin=False) * 14)
    client.send(client_frame(CONTINUATION, b""))
    assert client.receive_after_pings() == (TEXT, b"ACK1")


def test_too_many_fragments_close_connection(client):
    """The seventeenth fragment: 1008."""
    client.send(client_frame(TEXT, b"x", fin=False) + client_frame(CONTINUATION, b"", fin=False) * 16)
    assert client.receive_close() == 1008


@pytest.mark.parametrize("opcode", [PING, PONG])
def test_control_flood_closes_connection(client, opcode):
    """Many control frames at once: 1008."""
    client.send(client_frame(opcode, b"x") * 400)
    assert client.receive_close() == 1008


def test_text_flood_closes_connection(client):
    """Very many texts at once: 1008."""
    client.send(client_frame(TEXT, b"x") * 20_000)
    assert client.receive_close() == 1008


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 1012, 3000, 3999, 4000, 4999])
def test_close_is_echoed(client, code):
    """A close frame comes back with its code, and the connection ends."""
    client.send(client_frame(CLOSE, close_payload(code, b"bye")))
    assert client.receive_close() == code


def test_close_without_code_is_echoed(client):
    """An empty close frame comes back empty."""
    client.send(client_frame(CLOSE))
    assert client.receive_close() is None


def test_frames_after_close_are_ignored(server, device, client):
    """What follows a close frame does not count."""
    message = server.send(device, need_confirm=True)
    client.receive_message()
    client.send(client_frame(CLOSE, close_payload(1000)) + client_frame(BINARY, b"x" * 9000))
    assert client.receive_close() == 1000
    with server.connect(device) as again:
        assert again.receive_message()["id"] == message
