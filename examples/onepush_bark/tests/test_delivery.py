"""Messages on their way to iPhones, through a gateway of this process and a strict Bark server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bark_server import PASSWORD, USER, BarkServer
from onepush_bark import create
from onepush_core.testing import Client, FakeVendor, ManualClock, RecordingSockets, Trouble

KEY = "ynJ5Ft4atkMkWeo2PAvFhF"


@pytest.fixture
def bark() -> BarkServer:
    """A server that knows one key."""
    return BarkServer({KEY})


@pytest.fixture
def vendor(bark: BarkServer) -> Iterator[FakeVendor]:
    """The same on a port."""
    double = FakeVendor(bark.answer)
    yield double
    double.close()


@pytest.fixture
def plugins(vendor: FakeVendor) -> dict[str, object]:
    """Bark, and a transport with connections that nobody has."""
    settings = {"url": vendor.url, "user": USER, "password": PASSWORD, "notification": {"group": "shop"}}
    return {"bark": create(settings), "sockets": RecordingSockets(connected=set())}


def register(client: Client, key: str = KEY) -> str:
    """An iPhone of ann's."""
    return client.register("ann", platform="IOS", vendor="BARK", nativeToken=key)


def test_phone_shows_the_message(client: Client, bark: BarkServer) -> None:
    """Title, text, the settings' group, and what the send has chosen."""
    register(client)
    request = client.send(
        "ann", title="Order 7", alert="is on its way", options={"bark": {"level": "passive"}}
    )
    shown = {"title": "Order 7", "body": "is on its way", "group": "shop", "level": "passive", "id": request}
    assert bark.shown == {KEY: {request: shown}}
    assert client.counts(request) == {"handedOff": 1}


def test_command_is_not_shown(client: Client, vendor: FakeVendor) -> None:
    """A CMD is for the app itself, and Bark has no such thing."""
    register(client)
    request = client.send("ann", pushMsgType="CMD")
    assert vendor.requests == []
    assert client.counts(request) == {"pending": 1}


def test_phone_shows_a_repeat_once(
    client: Client, bark: BarkServer, vendor: FakeVendor, clock: ManualClock
) -> None:
    """An answer that was lost makes the message go out again, under the id that the phone knows."""
    register(client)
    vendor.trouble(Trouble.TORN, times=1)
    request = client.send("ann")
    clock.advance(30)
    assert client.trail(request) == [("bark", "failed", "connection failed"), ("bark", "sent", None)]
    assert len(vendor.requests) == 2
    assert list(bark.shown[KEY]) == [request]


def test_unknown_key_is_forgotten_until_it_registers_again(client: Client, vendor: FakeVendor) -> None:
    """A key that the server does not know, or a phone that Apple does not."""
    device = register(client, "no-such-key")
    request = client.send("ann")
    assert client.trail(request, device) == [("bark", "gone", "unknown key")]
    client.send("ann")
    assert len(vendor.requests) == 1
    register(client, "no-such-key")
    client.send("ann")
    assert len(vendor.requests) == 2


def test_busy_apple_is_asked_again(client: Client, bark: BarkServer, clock: ManualClock) -> None:
    """Half a minute later."""
    register(client)
    bark.busy.add(KEY)
    request = client.send("ann")
    assert client.trail(request) == [("bark", "failed", "push failed")]
    bark.busy.clear()
    clock.advance(30)
    assert client.counts(request) == {"handedOff": 1}


def test_text_that_is_too_long_for_apple_is_not_repeated(
    client: Client, vendor: FakeVendor, clock: ManualClock
) -> None:
    """The delivery waits for another way."""
    register(client)
    request = client.send("ann", alert="x" * 4090)
    clock.advance(3600)
    assert client.trail(request) == [("bark", "failed", "PayloadTooLarge")]
    assert len(vendor.requests) == 1


def test_devices_that_share_a_key_get_one_notification(client: Client, vendor: FakeVendor) -> None:
    """Two registrations of one phone."""
    register(client)
    client.register("ben", platform="IOS", vendor="BARK", nativeToken=KEY)
    request = client.send("ann", "ben")
    assert [one.json["device_keys"] for one in vendor.requests] == [[KEY]]
    assert client.counts(request) == {"handedOff": 1}
