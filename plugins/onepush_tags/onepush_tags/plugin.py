"""The plugin object: onepush's hooks."""

from __future__ import annotations

from collections.abc import Iterable

from onepush_core import App, Gateway, KeyQuery, Registration, Selector, hookimpl
from onepush_tags.audience import resolve
from onepush_tags.registering import check_tags
from onepush_tags.resources import make_routes


class TagsPlugin:
    """Resolves TAG and TAG_EXPR, and serves the calls that change and count tags."""

    @hookimpl
    def startup(self, gateway: Gateway) -> None:
        """Remember whom to ask."""
        self._gateway = gateway

    @hookimpl
    def register_routes(self, gateway: Gateway) -> Iterable[tuple[str, object]]:
        """The calls under /v1."""
        return make_routes(gateway)

    @hookimpl
    def check_registration(self, app: App, registration: Registration) -> None:
        """Refuse tags that no send could name."""
        check_tags(registration, app.key, self._gateway.read)

    @hookimpl
    def resolve_audience(self, app: App, selector: Selector) -> KeyQuery | None:
        """A query of the keys of the devices that carry the tags asked for."""
        return resolve(app.key, selector, self._gateway.read)
