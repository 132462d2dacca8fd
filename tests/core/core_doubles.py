"""What tests of the core's inside share: a store in a temporary file, a clock moved by hand, a transport."""

from __future__ import annotations

from collections.abc import Sequence

from onepush_core.clock import Clock
from onepush_core.gateway import Gateway
from onepush_core.hookspecs import hookimpl
from onepush_core.objects import App, Device, Message, Outcome, Registration, Status
from onepush_core.plugins import load_plugins
from onepush_core.settings import DeliverySettings, Settings, StoreSettings


class HandClock(Clock):
    """Stands still until it is moved."""

    def __init__(self, now: int = 1_800_000_000_000) -> None:
        self.time = now

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return self.time

    def monotonic(self) -> float:
        """The same time in seconds."""
        return self.time / 1000


class Recorder:
    """A transport that takes the devices named and remembers what it was asked."""

    def __init__(self, status: Status = Status.DELIVERED, again: bool = False) -> None:
        self.status = status
        self.again = again
        self.connected: set[int] | None = None
        self.calls: list[tuple[str, list[int]]] = []

    @hookimpl(tryfirst=True)
    def deliver(self, message: Message, devices: Sequence[Device]) -> list[Outcome]:
        """Answer for who is connected (None: everybody)."""
        mine = [device.key for device in devices if self.connected is None or device.key in self.connected]
        self.calls.append((message.id, [device.key for device in devices]))
        return [Outcome(key, self.status, again=self.again) for key in mine]


def make_gateway(folder, *plugins, clock=None, **delivery) -> Gateway:
    """A gateway on a fresh database with only these plugins, named one, two, …; started."""
    loaded = load_plugins({}, [])
    for name, plugin in zip(("one", "two", "three"), plugins, strict=False):
        loaded.register(plugin, name, "1")
    settings = Settings(
        store=StoreSettings(database=f"sqlite:///{folder}/onepush.db"), delivery=DeliverySettings(**delivery)
    )
    gateway = Gateway(settings, plugins=loaded, clock=clock)
    gateway.start()
    return gateway


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
