"""Whom a message is for: asked of the plugins, read page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import gevent
import peewee
import structlog

from onepush_core.errors import PluginUnavailable, UnknownAudienceType
from onepush_core.objects import App, Message, Selector
from onepush_core.plugins import Plugins
from onepush_core.store.audience import KeyQuery, Page, read_named, read_page
from onepush_core.store.transaction import Transaction

log = structlog.get_logger("onepush.audiences")
Source = Iterable[str] | KeyQuery | peewee.Select
RESOLVERS = {"TAG": "tags", "TAG_EXPR": "tags"}
"""The contract's audience types that need a plugin: for those who forgot to install or load it."""
FETCH_DEADLINE = 5.0
"""Seconds that a plugin may take to name the devices of one page; the lane waits for it."""


class Audience:
    """The devices of one message: a query of device keys, or an iterable of device ids."""

    def __init__(self, message: Message, source: Source) -> None:
        self._message = message
        self._query: KeyQuery | peewee.Select | None = None
        self._ids: Iterator[str] = iter(())
        self._batch: list[str] = []
        self._fetched = -1
        self._broken = False
        if isinstance(source, KeyQuery | peewee.Select):
            self._query = source
        else:
            self._ids = iter(source)

    @property
    def quick(self) -> bool:
        """True when a page costs little more than its devices."""
        return self._query is None or (isinstance(self._query, KeyQuery) and self._query.quick)

    def fetch(self, after: int, limit: int) -> None:
        """Take the ids of the next page from their source; on the hub, since the source may wait."""
        if self._query is not None or after == self._fetched:
            return
        if self._broken:
            raise PluginUnavailable()
        self._broken = True  # an iterable that raised has nothing more, which is not its end
        with gevent.Timeout(FETCH_DEADLINE, PluginUnavailable()):
            self._batch = list(islice(self._ids, limit))
        self._broken = False
        self._fetched = after

    def page(self, transaction: Transaction, after: int, limit: int) -> Page:
        """The next page; of ids, the one fetched."""
        if self._query is not None:
            return read_page(transaction, self._message, self._query, after, limit)
        keys = read_named(transaction, self._message, self._batch)
        # Ids come in any order, so the devices of two pages may lie between each other.
        return Page(keys, after + 1 if len(self._batch) == limit else None, apart=False)


class Audiences:
    """Asks the plugins which devices a selector means."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    def resolve(self, app: App, selector: Selector) -> Source:
        """Raises UnknownAudienceType, InvalidAudience, or PluginUnavailable when one fails."""
        source: Source | None = self._plugins.first(
            "resolve_audience", pass_over=True, app=app, selector=selector
        )
        if source is None:
            raise UnknownAudienceType(self._without_resolver(selector.kind))
        if isinstance(source, str) or not isinstance(source, KeyQuery | peewee.Select | Iterable):
            log.error("audience_without_devices", kind=selector.kind, answer=type(source).__name__)
            raise PluginUnavailable()
        return source

    def of(self, message: Message) -> Audience | None:
        """The audience of a message accepted before; None when its resolver does not answer just now."""
        try:
            return Audience(message, self.resolve(message.app, message.selector))
        except Exception as error:
            log.error("resolve_audience_failed", message=message.id, error=type(error).__name__)
            return None

    def _without_resolver(self, kind: str) -> str:
        problem, missing = f"audienceType: no plugin resolves {kind!r}", RESOLVERS.get(kind)
        if missing is None:
            return problem
        if missing in self._plugins.roster.aside:
            return f"{problem} ({self._plugins.roster.absence(missing)})"
        return f"{problem} (onepush-{missing} is not loaded)"
