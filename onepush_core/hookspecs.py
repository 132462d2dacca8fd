"""The ten hooks: signatures and contract, nothing else. See docs/hooks.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import peewee

    from onepush_core.gateway import Gateway
    from onepush_core.objects import (
        App,
        Credentials,
        Devices,
        Draft,
        Message,
        Outcome,
        Outcomes,
        Receipt,
        Registration,
        Selector,
    )

NAMESPACE = "onepush"
hookspec = pluggy.HookspecMarker(NAMESPACE)
hookimpl = pluggy.HookimplMarker(NAMESPACE)


@hookspec(firstresult=True)
def authenticate_app(credentials: Credentials) -> App | None:
    """Say which app sent this request.

    None: not my kind of credentials, the next one is asked.
    Raise ``AuthenticationFailed``: my kind, and wrong; nobody else is asked.
    """


@hookspec(firstresult=True)
def resolve_audience(app: App, selector: Selector) -> Iterable[str] | peewee.SelectBase | None:
    """Find the devices a selector means.

    Called once when a send is checked and again when the message is dispatched.
    Return a query that selects device keys (the core pages it by key), or a lazy iterable of
    device ids. None: not my kind. Raise ``InvalidAudience``: my kind, and wrong (a 400).
    Platform, tenant and registration time are narrowed by the core.
    """


@hookspec
def check_send(app: App, draft: Draft) -> None:
    """Look at a send before it is accepted.

    Raise ``InvalidField``: the caller gets a 400 that names the field, and nothing is stored.
    Options of other plugins are none of your business; those of nobody are refused by the core.
    """


@hookspec
def check_registration(app: App, registration: Registration) -> None:
    """Look at a device's registration before it is stored.

    Raise ``InvalidField``: the caller gets a 400 that names the field, and nothing is stored.
    """


@hookspec
def deliver(message: Message, devices: Devices, waited: float) -> Iterable[Outcome | Outcomes] | None:
    """Send to those of ``devices`` that are yours, and say what became of each.

    ``devices``: a sequence of Device whose ``keys`` cost nothing; at most 1,000, still unreached, none
    for which you answered SENT (unless with ``again``) or GONE. Those you do not mention go on to the
    next transport.
    ``waited``: seconds since acceptance. May be a generator: what was yielded before an
    exception counts. ``tryfirst`` implementations are asked in the order of acceptance and must
    not wait for the network; all others run beside, several calls at a time.
    """


@hookspec
def check_back(message: Message) -> Iterable[float] | None:
    """Ask that devices without receipt be offered again so many seconds after acceptance."""


@hookspec
def on_confirm(receipt: Receipt) -> None:
    """A device has the message. Called once per message and device, after it was stored."""


@hookspec
def register_routes(gateway: Gateway) -> Iterable[tuple[str, object]] | None:
    """Falcon resources to mount: (path, resource), all or none of them.

    When a path is taken, or on an exception, the plugin is set aside.
    """


@hookspec
def startup(gateway: Gateway) -> None:
    """The worker is up: open pools, start greenlets, within four seconds.

    On an exception the plugin is set aside; ``ConfigurationError`` (bad settings) stops the start.
    """


@hookspec
def shutdown() -> None:
    """The worker stops, or the plugin could not be started: let go of what ``startup`` opened."""
