"""How many devices a send would reach just now, sending nothing."""

from __future__ import annotations

from collections import Counter
from functools import partial

from onepush_core import App, Audience, Gateway, Message, Selector
from onepush_tags.schemas import Reach

PAGE = 1_000
LIFE = 259_200_000
NONE = "none"
"""In the place of a transport: the device would wait for its next connect."""
NEWEST = 1 << 62
"""A message key after all others: every device that is registered now was registered before it."""


def count_reach(gateway: Gateway, app: App, selector: Selector, platform: str, tenant: str | None) -> Reach:
    """Count the audience page by page. Raises InvalidAudience, UnknownAudienceType, StoreUnavailable."""
    message = imagine(gateway, app, selector, platform, tenant)
    audience = Audience(message, gateway.audiences.resolve(app, selector))
    platforms: Counter[str] = Counter()
    transports: Counter[str] = Counter()
    after: int | None = 0
    while after is not None:
        audience.fetch(after, PAGE)
        page = gateway.read(partial(audience.page, after=after, limit=PAGE))
        found = gateway.first_transports(message, page.keys)
        platforms.update(device.platform for device, _ in found)
        transports.update(transport or NONE for _, transport in found)
        after = page.last
    return Reach(total=platforms.total(), platforms=platforms, transports=transports)


def imagine(gateway: Gateway, app: App, selector: Selector, platform: str, tenant: str | None) -> Message:
    """The plainest message to this audience, accepted now."""
    now = gateway.clock.now()
    return Message(
        key=NEWEST,
        id="",
        app=app,
        alert="",
        accepted_at=now,
        expires_at=now + LIFE,
        platform=platform,
        selector=selector,
        tenant=tenant,
    )
