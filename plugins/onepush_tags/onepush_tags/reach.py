"""How many devices a send would reach just now, sending nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from functools import partial

from onepush_core import App, Audience, Gateway, Message, Selector, Transaction
from onepush_tags.schemas import Reach

PAGE = 1_000
NEWEST = 1 << 62
"""A message key after all others: every device that is registered now was registered before it."""
Found = tuple[int, str, str | None]


def count_reach(gateway: Gateway, app: App, selector: Selector, platform: str, tenant: str | None) -> Reach:
    """Count the audience page by page. Raises InvalidAudience, UnknownAudienceType, StoreUnavailable."""
    message = Message(
        key=NEWEST,
        id="",
        app=app,
        alert="",
        accepted_at=0,
        expires_at=0,
        platform=platform,
        selector=selector,
        tenant=tenant,
    )
    audience = Audience(message, gateway.audiences.resolve(app, selector))
    platforms: Counter[str] = Counter()
    transports: Counter[str] = Counter()
    after: int | None = 0
    while after is not None:
        audience.fetch(after, PAGE)
        found, after = gateway.read(partial(read_devices, audience=audience, after=after))
        online = gateway.presence.online(key for key, _, _ in found)
        platforms.update(device_platform for _, device_platform, _ in found)
        transports.update(transports_of(found, online))
    return Reach(total=platforms.total(), platforms=platforms, transports=transports)


def read_devices(transaction: Transaction, audience: Audience, after: int) -> tuple[list[Found], int | None]:
    """A page of an audience: key, platform and vendor of each device."""
    page = audience.page(transaction, after, PAGE)
    rows = transaction.rows(
        "SELECT key, platform, vendor FROM device WHERE key IN KEYS ?", (transaction.keys(page.keys),)
    )
    return [(row[0], row[1], row[2]) for row in rows], page.last


def transports_of(devices: Iterable[Found], online: Collection[int]) -> Iterable[str]:
    """For each device the way that would be tried first: its connection, else its vendor's channel."""
    for key, _, vendor in devices:
        if key in online:
            yield "connected"
        else:
            yield "vendor" if vendor else "none"
