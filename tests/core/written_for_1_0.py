"""A plugin as it was written for API 1.0, with everything that there was. It is not to be changed.

It must work with every API 1.x: a test calls each of its hooks through a gateway.
"""

from __future__ import annotations

from onepush_core import (
    App,
    Credentials,
    Device,
    Devices,
    Draft,
    Gateway,
    InvalidField,
    KeyQuery,
    Message,
    Outcome,
    Receipt,
    Registration,
    Selector,
    Status,
    hookimpl,
)


class Page:
    """A resource of the plugin."""

    def on_get(self, req, resp):
        resp.text = "written for 1.0"


class Pager:
    """Every hook and attribute of API 1.0. ``called``: the hooks that were, each time."""

    idle_reason = None

    def __init__(self) -> None:
        self.called: list[str] = []

    def takes(self, message: Message, device: Device) -> bool:
        return device.vendor == "PAGER" and message.type == "MSG"

    def details(self, gateway: Gateway) -> list[str]:
        return [f"{len(gateway.apps())} apps"]

    @hookimpl
    def authenticate_app(self, credentials: Credentials) -> App | None:
        self.called.append("authenticate_app")
        return self._directory.find(credentials.app_id) if credentials.secret == "beep" else None

    @hookimpl
    def resolve_audience(self, app: App, selector: Selector) -> KeyQuery | None:
        self.called.append("resolve_audience")
        if selector.kind != "PAGERS":
            return None
        return KeyQuery("SELECT key FROM device WHERE app = ? AND vendor = ?", (app.key, "PAGER"))

    @hookimpl
    def check_send(self, app: App, draft: Draft) -> None:
        self.called.append("check_send")
        if draft.options.get("pager", {}).get("tone", 1) not in range(4):
            raise InvalidField("options.pager.tone", "0 to 3")

    @hookimpl
    def check_registration(self, app: App, registration: Registration) -> None:
        self.called.append("check_registration")
        if registration.vendor == "PAGER" and not registration.token:
            raise InvalidField("nativeToken", "a pager has a number")

    @hookimpl
    def deliver(self, message: Message, devices: Devices, waited: float):
        self.called.append("deliver")
        for device in devices:
            yield Outcome(device.key, Status.SENT, "beeped", again=message.need_confirm)

    @hookimpl
    def check_back(self, message: Message) -> list[float]:
        self.called.append("check_back")
        return [60.0]

    @hookimpl
    def on_confirm(self, receipt: Receipt) -> None:
        self.called.append("on_confirm")
        self.receipt = receipt

    @hookimpl
    def register_routes(self, gateway: Gateway) -> list[tuple[str, object]]:
        self.called.append("register_routes")
        return [("/pager", Page())]

    @hookimpl
    def startup(self, gateway: Gateway) -> None:
        self.called.append("startup")
        self._directory = gateway.directory
        gateway.on("device_removed", self.called.append)

    @hookimpl
    def shutdown(self) -> None:
        self.called.append("shutdown")
