"""A message's way through a gateway with this plugin; the wait costs no time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from onepush_core.testing import Client, FakeVendor, ManualClock, Reply, Trouble
from onepush_pigeon import create
from toy_vendor import KEY, answer


@pytest.fixture
def vendor() -> Iterator[FakeVendor]:
    """A double of the vendor's server."""
    double = FakeVendor(lambda request: Reply(*answer(request.headers["x-key"], request.json, double.dead)))
    yield double
    double.close()


@pytest.fixture
def plugins(vendor: FakeVendor) -> dict[str, object]:
    """What the gateway of these tests has loaded."""
    return {"pigeon": create({"url": vendor.url, "key": KEY})}


def test_message_is_delivered(client: Client, vendor: FakeVendor) -> None:
    """The vendor gets the text; the delivery is handed off."""
    client.register("ann", vendor="PIGEON", nativeToken="ann-at-home")
    request = client.send("ann", alert="dinner is ready")
    assert [one.json for one in vendor.requests] == [
        {"addresses": ["ann-at-home"], "text": "dinner is ready"}
    ]
    assert client.counts(request) == {"handedOff": 1}


def test_message_waits_for_the_vendor(client: Client, vendor: FakeVendor, clock: ManualClock) -> None:
    """It is sent again when the vendor has had its two minutes."""
    client.register("ann", vendor="PIGEON", nativeToken="ann-at-home")
    vendor.trouble(Trouble.UNAVAILABLE, times=1)
    request = client.send("ann")
    clock.advance(119)
    assert client.counts(request) == {"pending": 1}
    clock.advance(2)
    assert client.trail(request) == [("pigeon", "failed", "http 503"), ("pigeon", "sent", None)]
