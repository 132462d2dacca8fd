"""Which paths are taken, and by whom."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import falcon

from onepush_core.errors import ConfigurationError

_FIELD = re.compile(r"\{[^}]*\}")


class RouteTable:
    """Adds resources to a Falcon app, which itself would let the last one win without a word."""

    def __init__(self, app: falcon.App[Any, Any]) -> None:
        self._app = app
        self._owners: dict[str, str] = {}
        self._routes: list[tuple[str, object]] = []

    def mount(self, routes: Iterable[tuple[str, object]], owner: str) -> None:
        """Add all, or none: raises ``ConfigurationError`` for a path that is taken or that Falcon refuses."""
        added = list(routes)
        owners = self._claim(added, owner)
        self._rehearse(added, owner)
        for path, resource in added:
            _add(self._app, path, resource)
        self._owners = owners
        self._routes += added

    def paths(self) -> list[str]:
        """All paths, in the order of mounting."""
        return [path for path, _ in self._routes]

    def _claim(self, routes: Iterable[tuple[str, object]], owner: str) -> dict[str, str]:
        """Who would have which path then."""
        owners = dict(self._owners)
        for path, _ in routes:
            # Field names do not tell requests apart, nor does a slash at the end.
            shape = _FIELD.sub("{}", path).rstrip("/") or "/"
            if shape in owners:
                raise ConfigurationError(f"{owner}: the route {path} is taken by {owners[shape]}")
            owners[shape] = owner
        return owners

    def _rehearse(self, routes: Iterable[tuple[str, object]], owner: str) -> None:
        """Add the routes to a copy, since Falcon takes none of them back."""
        copy: falcon.App[Any, Any] = falcon.App()
        for path, resource in self._routes:
            _add(copy, path, resource)
        for path, resource in routes:
            try:
                _add(copy, path, resource)
            except (TypeError, ValueError) as error:
                raise ConfigurationError(f"{owner}: the route {path} cannot be mounted: {error}") from error


def _add(app: falcon.App[Any, Any], path: str, resource: object) -> None:
    app.add_route(path.rstrip("/") or "/", resource)
