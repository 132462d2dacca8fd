"""The core's own hook implementations: plugins like any other, asked last."""

from __future__ import annotations

from typing import Any

from onepush_core.errors import AuthenticationFailed
from onepush_core.hookspecs import hookimpl
from onepush_core.objects import App, Credentials, Selector
from onepush_core.store import audience
from onepush_core.store.audience import KeyQuery


class KeyAuthentication:
    """Knows apps by id and key."""

    @hookimpl
    def startup(self, gateway: Any) -> None:
        """Remember where the apps are."""
        self._directory = gateway.directory

    @hookimpl(trylast=True)
    def authenticate_app(self, credentials: Credentials) -> App:
        """The app with this id, if this is one of its live keys."""
        app: App | None = self._directory.check(credentials.app_id, credentials.secret)
        if app is None:
            raise AuthenticationFailed()
        return app


class StoredAudience:
    """Knows whole apps, aliases and devices."""

    @hookimpl(trylast=True)
    def resolve_audience(self, app: App, selector: Selector) -> KeyQuery | None:
        """A query of device keys for ALL, ALIAS and DEVICE."""
        if selector.kind == "ALL":
            return audience.whole_app(app.key)
        if selector.kind == "ALIAS":
            return audience.with_aliases(app.key, selector.values)
        if selector.kind == "DEVICE":
            return audience.with_ids(app.key, selector.values)
        return None


DEFAULTS = {"key": KeyAuthentication, "audience": StoredAudience}
