"""The roster: every plugin that is installed, its version, and whether it takes part."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple

from onepush_core.errors import ConfigurationError, PluginFault

CORE = "core"
OURS = f"{CORE}."
State = Literal["active", "idle", "set aside"]
ACTIVE: State = "active"
IDLE: State = "idle"
ASIDE: State = "set aside"
STATES = (ACTIVE, IDLE, ASIDE)


class Release(NamedTuple):
    """What the metadata of a plugin's distribution say. ``api``: the range of API versions it declares."""

    version: str = ""
    api: str | None = None


class PluginState(NamedTuple):
    """What ``onepush plugins`` and readiness show of one plugin.

    ``reason`` is for everybody, ``detail`` for the operator only.
    """

    name: str
    version: str
    hooks: list[str]
    state: State
    reason: str | None
    detail: str = ""
    api: str | None = None


class Roster:
    """Who takes part, and who was set aside and why. ``required``: those without whom there is no start."""

    def __init__(self, required: Collection[str] = ()) -> None:
        self.required = frozenset(required)
        self.releases: dict[str, Release] = {}
        self.aside: dict[str, PluginFault] = {}
        self.remarks: dict[str, list[str]] = {}

    @property
    def names(self) -> list[str]:
        """Names of those that take part."""
        return [name for name in self.releases if name not in self.aside]

    def enter(self, name: str, release: Release) -> None:
        """This plugin takes part."""
        self.releases[name] = release

    def set_aside(self, name: str, fault: PluginFault, release: Release | None = None) -> None:
        """This plugin is installed, but does not take part. Raises ConfigurationError where it must."""
        if name in self.required or name.startswith(OURS):
            raise ConfigurationError(f"plugin {name}: {fault}") from fault
        self.releases[name] = release or self.releases.get(name, Release())
        self.aside[name] = fault

    def absence(self, name: str) -> str:
        """Why nothing can be asked of this plugin, in words for everybody."""
        fault = self.aside.get(name)
        return f"plugin {name!r} is set aside: {fault.reason}" if fault else f"no plugin named {name[:64]!r}"

    def state_of(self, name: str, hooks: list[str], idle: str | None) -> PluginState:
        """The state of one. ``idle``: why it can do nothing just now."""
        release, fault = self.releases[name], self.aside.get(name)
        state, reason = (IDLE, idle) if idle else (ACTIVE, None)
        if fault is not None:
            state, reason = ASIDE, fault.reason
        detail = fault.detail if fault else ""
        return PluginState(name, release.version, hooks, state, reason, detail, release.api)
