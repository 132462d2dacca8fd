"""Apps and keys: made, listed, switched off, rotated."""

from __future__ import annotations

from typing import Any

from onepush_core.clock import Clock
from onepush_core.directory import Directory, digest_of, new_key
from onepush_core.errors import InvalidField, UnknownApp
from onepush_core.ids import new_app_id
from onepush_core.reports import timestamp
from onepush_core.store import apps
from onepush_core.store.engine import Engine

NAME_BYTES = 100


class Administration:
    """What an operator does with apps, over HTTP or with ``onepush app``."""

    def __init__(self, engine: Engine, directory: Directory, clock: Clock) -> None:
        self._engine = engine
        self._directory = directory
        self._clock = clock

    def create_app(self, name: str) -> dict[str, str]:
        """A new app: ``appId``, ``appKey`` (never to be had again) and ``name``. Raises InvalidField."""
        name = name.strip()
        if not name or len(name.encode()) > NAME_BYTES or not name.isprintable():
            raise InvalidField("name", f"1 to {NAME_BYTES} bytes of printable text")
        app_id, key = new_app_id(), new_key()
        now = self._clock.now()
        self._engine.write(
            lambda transaction: apps.insert_app(transaction, app_id, name, digest_of(key), now)
        )
        return {"appId": app_id, "appKey": key, "name": name}

    def find_app(self, app_id: str) -> dict[str, Any]:
        """``id``, ``name``, ``enabled``, ``createdAt``. Raises UnknownApp."""
        found = self._engine.read(lambda transaction: apps.find_app(transaction, app_id))
        if found is None:
            raise UnknownApp()
        app, enabled, created_at = found
        return {"id": app.id, "name": app.name, "enabled": enabled, "createdAt": timestamp(created_at)}

    def apps(self) -> list[dict[str, Any]]:
        """All apps, oldest first."""
        return [
            {"id": app_id, "name": name, "enabled": bool(enabled), "createdAt": timestamp(created_at)}
            for app_id, name, enabled, created_at in self._engine.read(apps.all_apps)
        ]

    def set_enabled(self, app_id: str, enabled: bool) -> None:
        """Switch an app on or off. Raises UnknownApp."""
        if not self._engine.write(lambda transaction: apps.set_enabled(transaction, app_id, enabled)):
            raise UnknownApp()
        self._directory.forget(app_id)

    def rotate_key(self, app_id: str) -> dict[str, str]:
        """A second live key beside the newest one so far; an older one dies. Raises UnknownApp."""
        key, now = new_key(), self._clock.now()
        if not self._engine.write(lambda transaction: apps.add_key(transaction, app_id, digest_of(key), now)):
            raise UnknownApp()
        self._directory.forget(app_id)
        return {"appId": app_id, "appKey": key}
