"""What every transport has to keep, checked by onepush's own classes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from onepush_core.testing import Reply, Request, VendorTransportConformance
from onepush_pigeon import PigeonPlugin, create
from toy_vendor import KEY, MOST, answer


class TestPigeon(VendorTransportConformance):
    """Pigeon, pointed at a double of its vendor."""

    name = "pigeon"
    limit = MOST
    secrets = (KEY,)

    def make_plugin(self) -> PigeonPlugin:
        """A new object, with little patience."""
        return create({"url": self.vendor.url, "key": KEY, "timeout": 0.3})

    def my_device(self, number: int) -> dict[str, Any]:
        """A device of Pigeon's."""
        return {"vendor": "PIGEON", "nativeToken": f"pigeon-address-{number}"}

    def answer(self, request: Request, dead: Collection[str]) -> Reply:
        """What the vendor answers when it is well."""
        return Reply(*answer(request.headers.get("x-key"), request.json, dead))

    def addresses_in(self, request: Request) -> list[str]:
        """Whom a request is for."""
        addresses: list[str] = request.json["addresses"]
        return addresses
