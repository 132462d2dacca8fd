"""The journey over WebSocket: one person, two devices, one of them offline; both get it and confirm it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

from websockets.sync.client import ClientConnection, connect

from onepush_demo.client import PATIENCE, Client
from onepush_demo.steps import Journey, Step, Stopwatch

ALIAS = "demo-user"
ALERT = "Hello from onepush"


def journey(client: Client) -> Journey:
    """Play it."""
    return Journey("The journey of a message:", _steps(client, Stopwatch()))


def _steps(client: Client, watch: Stopwatch) -> Iterator[Step]:
    watch.reset()
    phone = client.register(ALIAS, "ANDROID", "demo-phone")
    laptop = client.register(ALIAS, "PC", "demo-laptop")
    yield watch.step(f"registered a phone and a laptop of {ALIAS}")
    watch.reset()
    with _connect(client.url, phone) as socket:
        yield watch.step("the phone connected; the laptop stays offline")
        watch.reset()
        message = client.send(ALIAS, ALERT, needConfirm=True)
        yield watch.step("sent a message that asks for confirmation: stored, 200")
        # Not reset: the time from the sender's call to the frame is what counts.
        _await_frame(socket, message)
        yield watch.step("the phone got the frame")
        yield _confirm(client, socket, message, watch, "the phone", confirmed=1)
    watch.reset()
    with _connect(client.url, laptop) as socket:
        yield watch.step("the laptop connected, late")
        _await_frame(socket, message)
        yield watch.step("the laptop got the frame")
        yield _confirm(client, socket, message, watch, "the laptop", confirmed=2)
    watch.reset()
    status = client.status(message)
    yield watch.step(f"status: {status['counts']['confirmed']} of {status['total']} confirmed")


def _connect(url: str, device: str) -> ClientConnection:
    address = url.replace("http", "ws", 1) + f"/msgpush.ws?deviceId={quote(device, safe='')}"
    return connect(address, proxy=None, open_timeout=PATIENCE, close_timeout=1, compression=None)


def _await_frame(socket: ClientConnection, message: str) -> None:
    while json.loads(socket.recv(PATIENCE))["id"] != message:
        pass


def _confirm(
    client: Client, socket: ClientConnection, message: str, watch: Stopwatch, device: str, confirmed: int
) -> Step:
    watch.reset()
    socket.send(f"CFM:{message}")
    client.await_count(message, confirmed, "confirmed")
    return watch.step(f"{device} confirmed it")
