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
        self._paths: list[str] = []

    def mount(self, routes: Iterable[tuple[str, object]], owner: str) -> None:
        """Add all. Raises ``ConfigurationError`` for a path that is taken or that Falcon refuses."""
        for path, resource in routes:
            self._claim(path, owner)
            self._add(path, resource, owner)

    def paths(self) -> list[str]:
        """All paths, in the order of mounting."""
        return list(self._paths)

    def _claim(self, path: str, owner: str) -> None:
        # Field names do not tell requests apart, nor does a slash at the end.
        shape = _FIELD.sub("{}", path).rstrip("/") or "/"
        if shape in self._owners:
            raise ConfigurationError(f"{owner}: the route {path} is taken by {self._owners[shape]}")
        self._owners[shape] = owner
        self._paths.append(path)

    def _add(self, path: str, resource: object, owner: str) -> None:
        try:
            self._app.add_route(path.rstrip("/") or "/", resource)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"{owner}: the route {path} cannot be mounted: {error}") from error
