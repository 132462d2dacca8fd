"""The core's own hook implementations: plugins like any other, asked last."""

from __future__ import annotations

from typing import Any

from onepush_core.errors import AuthenticationFailed
from onepush_core.hookspecs import hookimpl
from onepush_core.objects import App, Credentials, Selector
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
            return KeyQuery("SELECT key FROM device WHERE app = ? AND active = 1", (app.key,))
        columns = {"ALIAS": "alias", "DEVICE": "id"}
        if selector.kind not in columns:
            return None
        marks = ", ".join("?" * len(selector.values))
        statement = f"SELECT key FROM device WHERE app = ? AND {columns[selector.kind]} IN ({marks})"
        return KeyQuery(statement, (app.key, *selector.values))


DEFAULTS = {"key": KeyAuthentication, "audience": StoredAudience}
