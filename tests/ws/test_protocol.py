"""Frames as bytes: ours against the library's, whatever the payload."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode

from harness.examples import any_machine
from onepush_core import Message
from onepush_ws.frames import FrameCache, build_frames, encode_message
from onepush_ws.inbox import Inbox
from onepush_ws.protocol import close_frame, close_label, server_frame, short_text
from tests.ws.doubles import APP
from tests.ws.raw import CONTINUATION, PING, TEXT, client_frame

MESSAGE = Message(key=1, id="m", app=APP, alert="a", accepted_at=0, expires_at=1)


@any_machine
@given(st.binary(max_size=70_000) | st.sampled_from([125, 126, 65_535, 65_536]).map(bytes))
def test_server_frame_equals_library_frame(payload):
    """Our frames are the library's, byte for byte, at every length."""
    assert server_frame(TEXT, payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_close_frame_equals_library_frame():
    """Close frames too."""
    payload = Close(1012, "restarting").serialize()
    assert close_frame(1012, "restarting") == Frame(Opcode.CLOSE, payload).serialize(mask=False)


@any_machine
@given(st.text(max_size=125), st.binary(min_size=4, max_size=4), st.binary(max_size=20))
def test_short_text_reads_masked_frame(text, mask, rest):
    """A short text comes out as it went in, and what follows is left alone."""
    payload = text.encode()[:125].decode(errors="ignore").encode()
    frame = client_frame(TEXT, payload, mask=mask)
    assert short_text(b"xx" + frame + rest, 2) == (payload.decode(), 2 + len(frame))


@any_machine
@given(st.binary(max_size=140))
def test_short_text_agrees_with_library(data):
    """Whatever the fast path takes, the library takes as the same text."""
    found = short_text(data, 0)
    if found is not None:
        assert Inbox().receive(data[: found[1]]).texts == [found[0]]


@pytest.mark.parametrize("opcode", [0, 2, 8, 9, 10])
def test_short_text_leaves_other_frames(opcode):
    """Anything but a final text is not for the fast path."""
    assert short_text(client_frame(opcode, b"x"), 0) is None
    assert short_text(client_frame(TEXT, b"x", fin=False), 0) is None
    assert short_text(client_frame(TEXT, b"x", mask=None) + b"12345", 0) is None
    assert short_text(client_frame(TEXT, b"\xff"), 0) is None


STREAM = [
    client_frame(TEXT, b"one"),
    client_frame(TEXT, b"t", fin=False),
    client_frame(PING, b"p"),
    client_frame(CONTINUATION, b"wo"),
    client_frame(TEXT, b"three" * 100),
]


@any_machine
@given(st.lists(st.integers(1, 600), max_size=8))
def test_inbox_understands_any_cut(cuts):
    """However the bytes are cut: the same texts, the same pong, nothing held at the end."""
    stream = b"".join(STREAM)
    inbox, texts, pongs = Inbox(), [], b""
    edges = [0, *sorted({min(cut, len(stream)) for cut in cuts}), len(stream)]
    for start, end in pairwise(edges):
        received = inbox.receive(stream[start:end])
        texts += received.texts
        pongs += received.pongs
    assert texts == ["one", "two", "three" * 100]
    assert pongs == server_frame(0xA, b"p")
    assert inbox.idle


def test_inbox_with_half_a_frame_is_not_idle():
    """A partial frame or message has to be kept."""
    half, part = Inbox(), Inbox()
    half.receive(client_frame(TEXT, b"one")[:8])
    part.receive(client_frame(TEXT, b"one", fin=False))
    assert not half.idle
    assert not part.idle


def test_message_leaves_out_what_has_no_value():
    """Null fields and an empty tenant are left out; false, 0 and null inside extra are not."""
    message = msgspec.structs.replace(MESSAGE, tenant="", badge=0, extra={"n": None})
    assert json.loads(encode_message(message, ios=True)) == {
        "id": "m",
        "appId": APP.id,
        "alert": "a",
        "pushMsgType": "MSG",
        "needConfirm": False,
        "extra": {"n": None},
        "badge": 0,
    }


def test_message_is_raw_utf8():
    """Text beyond ASCII goes out as UTF-8, not escaped."""
    assert "漢字".encode() in encode_message(msgspec.structs.replace(MESSAGE, alert="漢字"), ios=False)


def test_frame_is_shared_between_platforms():
    """Without sound and badge there is one frame for all."""
    plain, ios = build_frames(MESSAGE)
    assert plain is ios
    plain, ios = build_frames(msgspec.structs.replace(MESSAGE, sound="ding"))
    assert plain != ios


def test_cache_keeps_frames_of_messages_used_last():
    """The frame of a message is built once, and old ones are forgotten."""
    cache = FrameCache(size=2)
    first = cache.of(MESSAGE)
    second = msgspec.structs.replace(MESSAGE, key=2)
    cache.of(second)
    assert cache.of(MESSAGE) is first
    cache.of(msgspec.structs.replace(MESSAGE, key=3))
    assert cache.of(MESSAGE) is first
    assert cache.of(second) is not cache.of(MESSAGE)


@pytest.mark.parametrize(("code", "label"), [(1000, "1000"), (4408, "4408"), (4999, "other"), (0, "other")])
def test_close_label_is_bounded(code, label):
    """Clients cannot make labels."""
    assert close_label(code) == label
