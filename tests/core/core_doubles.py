"""What tests of the core's inside share: gateways, apps and devices without REST."""

from __future__ import annotations

from harness.databases import POOL, database_url
from onepush_core.gateway import Gateway
from onepush_core.objects import App, Registration
from onepush_core.testing import Stage


def store_table(folder) -> dict[str, object]:
    """Where the gateway of this folder keeps its messages, in whatever kind of database the tests run on."""
    return {"database": database_url(folder), "pool": POOL}


def make_stage(folder, *plugins, clock=None, **delivery) -> Stage:
    """A started gateway with only these plugins, named one, two, three."""
    named = dict(zip(("one", "two", "three"), plugins, strict=False))
    return Stage(folder, named, clock=clock, settings={"delivery": delivery, "store": store_table(folder)})


def make_gateway(folder, *plugins, clock=None, **delivery) -> Gateway:
    """The gateway of such a stage, for who stops it by himself."""
    return make_stage(folder, *plugins, clock=clock, **delivery).gateway


def make_app(gateway: Gateway, name: str = "test") -> App:
    """A new app of this gateway."""
    made = gateway.administration.create_app(name)
    return gateway.authenticate(made["appId"], made["appKey"])


def add_device(
    gateway: Gateway, app: App, token: str, alias: str = "ann", platform: str = "ANDROID", **more
) -> int:
    """Register a device; its key."""
    device_id = gateway.register(app.id, Registration(alias=alias, platform=platform, token=token, **more))
    device = gateway.find_device(device_id)
    assert device is not None
    return device.key
