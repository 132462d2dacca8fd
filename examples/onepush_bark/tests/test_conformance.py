"""What every transport has to keep, checked by onepush's own classes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from bark_server import MOST, PASSWORD, USER, BarkServer
from onepush_bark import BarkPlugin, create
from onepush_core.testing import Reply, Request, VendorTransportConformance


class TestBark(VendorTransportConformance):
    """Bark, pointed at a strict server."""

    name = "bark"
    limit = MOST
    secrets = (PASSWORD,)

    def make_plugin(self) -> BarkPlugin:
        """A new object, with little patience."""
        return create({"url": self.vendor.url, "user": USER, "password": PASSWORD, "timeout": 0.3})

    def my_device(self, number: int) -> dict[str, Any]:
        """An iPhone with Bark."""
        return {"platform": "IOS", "vendor": "BARK", "nativeToken": f"barkKey{number:015d}"}

    def answer(self, request: Request, dead: Collection[str]) -> Reply:
        """What the server answers when it is well."""
        return BarkServer().answer(request, dead)

    def addresses_in(self, request: Request) -> list[str]:
        """Whom a request is for."""
        keys: list[str] = request.json["device_keys"]
        return keys
