"""The opening handshake: what is refused, what is closed after the upgrade, what is taken."""

from __future__ import annotations

import base64
import socket
import struct
import time
from contextlib import ExitStack

import falcon
import pytest
from falcon.testing import create_environ
from websockets.sync.client import connect
from websockets.utils import accept_key

from onepush_ws.handshake import WebSocketResource
from tests.ws.raw import TEXT, RawClient, client_frame, handshake


def open_path(server, path, **headers):
    """A raw client on any path of the server."""
    return RawClient(server.port, path, **headers)


def test_handshake_answers_accept_key(server, device):
    """The 101 carries the accept key of RFC 6455, section 4.2.2, and agrees on nothing else."""
    key = base64.b64encode(b"0123456789abcdef").decode()
    wishes = {"Sec_WebSocket_Extensions": "permessage-deflate", "Sec_WebSocket_Protocol": "chat"}
    with server.connect(device, Sec_WebSocket_Key=key, **wishes) as client:
        assert client.status == 101
        assert client.headers == {
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-accept": accept_key(key),
        }


REFUSED = {
    "no Upgrade": ({"Upgrade": None}, 426, 42601),
    "other Upgrade": ({"Upgrade": "h2c"}, 426, 42601),
    "no Connection": ({"Connection": "keep-alive"}, 400, 40060),
    "no key": ({"Sec_WebSocket_Key": None}, 400, 40060),
    "short key": ({"Sec_WebSocket_Key": "AAAA"}, 400, 40060),
    "bad base64": ({"Sec_WebSocket_Key": "????????????????????????"}, 400, 40060),
    "no version": ({"Sec_WebSocket_Version": None}, 400, 40061),
    "old version": ({"Sec_WebSocket_Version": "8"}, 400, 40061),
    "a body": ({"Content_Length": "5"}, 400, 40060),
    "other origin": ({"Origin": "https://evil.example"}, 403, 40360),
    "null origin": ({"Origin": "null"}, 403, 40360),
    "origin with our name as suffix": ({"Origin": "http://evil-127.0.0.1"}, 403, 40360),
    "origin on another port": ({"Origin": "http://127.0.0.1:1"}, 403, 40360),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_handshake_gets_json_error(server, device, name):
    """What is no proper handshake gets an HTTP status and a five-digit code."""
    headers, status, code = REFUSED[name]
    with server.connect(device, **headers) as client:
        assert client.status == status
        assert client.body()["code"] == code


def test_unsupported_version_names_supported_one(server, device):
    """RFC 6455, section 4.4: the answer says which version would do."""
    with server.connect(device, Sec_WebSocket_Version="7") as client:
        assert client.headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize("connection", ["upgrade", "keep-alive, Upgrade", "Keep-Alive,UPGRADE"])
def test_connection_header_may_list_more(server, device, connection):
    """Browsers send ``keep-alive, Upgrade``; case does not matter."""
    with server.connect(device, Connection=connection, Upgrade="WebSocket") as client:
        assert client.status == 101


def test_own_origin_is_allowed(server, device):
    """The page that the gateway serves may connect, in any case."""
    with server.connect(device, Origin=f"HTTP://127.0.0.1:{server.port}") as client:
        assert client.status == 101


def test_listed_origin_is_allowed(start_server):
    """Origins of the setting may connect, others not."""
    server = start_server(origins=["https://shop.example"])
    device = server.register()
    with server.connect(device, Origin="https://shop.example") as client:
        assert client.status == 101
    with server.connect(device, Origin="https://shop.example.evil") as client:
        assert client.status == 403


@pytest.mark.parametrize(
    "query",
    ["", "?", "?deviceId=", "?deviceId=%20", "?deviceid=x", "?deviceId=a&deviceId=b", "?&&=%", "?%%%"],
)
def test_missing_device_id_closes_with_4400(server, query):
    """No or no clear device id: 4400 after the upgrade, where a browser can read it."""
    with open_path(server, f"/msgpush.ws{query}") as client:
        assert client.status == 101
        assert client.receive_close() == 4400


@pytest.mark.parametrize("value", ["nobody", "%00", "%ff", "%zz", "x" * 1000, "%E4%B8%AD", "a%0d%0ab"])
def test_unknown_device_closes_with_4404(server, value):
    """An id that no device has: 4404; a malformed one never makes the server stumble."""
    with open_path(server, f"/msgpush.ws?deviceId={value}") as client:
        assert client.status == 101
        assert client.receive_close() == 4404


def test_early_frame_is_not_lost(server, device):
    """A frame sent with the handshake, before its answer, counts."""
    with server.connect(device, early=client_frame(TEXT, b"HBT") + client_frame(TEXT, b"HBT")[:4]) as client:
        assert client.receive_after_pings() == (TEXT, b"ACK1")
        client.send(client_frame(TEXT, b"HBT")[4:])
        assert client.receive_after_pings() == (TEXT, b"ACK1")


def test_handshake_follows_other_request(server, device):
    """A connection that has carried a plain request can become a WebSocket."""
    request = f"GET /page.js HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
        plain.sendall(request)
        while b"\r\n\r\n" not in (data := plain.recv(1 << 20)):
            assert data
        plain.sendall(handshake(server.port, f"/msgpush.ws?deviceId={device}"))
        received = b""
        while b"101 Switching Protocols" not in received:
            received += plain.recv(65536)


def test_library_client_connects(server, device):
    """An independent client library gets a message, confirms it and says goodbye."""
    with connect(f"ws://127.0.0.1:{server.port}/msgpush.ws?deviceId={device}") as client:
        message = server.send(device, need_confirm=True)
        assert message in client.recv(timeout=10)
        client.send(f"CFM:{message}")
        server.await_confirm(message, device)
    assert client.close_code == 1000


def test_dribbling_handshake_is_cut_off(start_server):
    """Headers that never end are cut off after some seconds."""
    server = start_server()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow:
        began = time.monotonic()
        slow.sendall(b"GET /msgpush.ws HTTP/1.1\r\nHost: x\r\n")
        assert slow.recv(1) == b""
        assert time.monotonic() - began < 12


def test_connection_cap_closes_with_1013(start_server):
    """One device too many: 1013; a device that is connected may still come again."""
    server = start_server(max_connections=1)
    first, second = server.register(), server.register()
    with server.connect(first) as old:
        assert old.is_open()
        with server.connect(second) as refused:
            assert refused.receive_close() == 1013
        with server.connect(first) as new:
            assert old.receive_close() == 4408
            assert new.is_open()


def reset_during_handshake(server, device):
    """A client that sends the handshake and is gone before it is answered."""
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(handshake(server.port, f"/msgpush.ws?deviceId={device}", {}))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_handshake_that_nobody_waits_for_leaves_nothing(server):
    """The client resets before the 101: it is not online, and what is sent to it reaches nobody else."""
    gone = [server.register() for _ in range(8)]
    for device in gone:
        reset_during_handshake(server, device)
    with ExitStack() as stack:
        # Their sockets get the descriptors of those that are closed.
        others = [stack.enter_context(server.connect(server.register())) for _ in range(16)]
        for device in gone:
            assert not server.ask(do="is_online", device=device)
            server.send(device, alert="secret")
        assert all(other.is_open() for other in others)


def test_handshake_on_a_closed_socket_gives_the_device_up(bench):
    """The client has gone before its socket could be taken over: the device is not awaited any more."""
    device, renounced = bench.gateway.add_device(), []
    bench.gateway.presence.renounce = renounced.append
    handle, theirs = socket.socketpair()
    bench.gateway.before_find = handle.close
    theirs.close()
    key = base64.b64encode(bytes(16)).decode()
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
    }
    environ = create_environ("/msgpush.ws", query_string=f"deviceId={device.id}", headers=headers)
    resource = WebSocketResource(bench.gateway, bench.hub, bench.reader, bench.settings)
    with pytest.raises(OSError, match="Bad file descriptor"):
        resource.on_get(falcon.Request({**environ, "gunicorn.socket": handle}), falcon.Response())
    assert renounced == [device.key]
    assert not bench.hub.sockets
