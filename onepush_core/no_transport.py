"""Why nobody can be reached: what a sender is told while no transport is loaded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement

from onepush_core.hookspecs import NAMESPACE
from onepush_core.installed import entry_points_of
from onepush_core.roster import ASIDE, IDLE, PluginState

NO_TRANSPORT = "no transport is loaded"
EXTRA = "transports"
"""The extra of onepush-core that installs every transport there is: only the metadata know their names."""


def explain(states: Iterable[PluginState], installed: Mapping[str, str], known: Collection[str]) -> str:
    """One line for whoever sends.

    ``installed``: the distribution of each installed plugin, by the plugin's name. ``known``: distributions
    that bring a transport.
    """
    found = {state.name: state for state in states}
    parts = [part for state in found.values() if (part := _trouble(state))]
    unloaded = [name for name in sorted(installed) if name not in found]
    absent = [distribution for distribution in known if distribution not in installed.values()]
    parts += [f"not loaded: {', '.join(unloaded)}"] if unloaded else []
    parts += [f"not installed: {', '.join(absent)}"] if absent else []
    return "; ".join([NO_TRANSPORT, *parts])


def _trouble(state: PluginState) -> str | None:
    """Why this plugin delivers nothing; None for one that never would."""
    if state.state == ASIDE:
        return f"{state.name} is set aside ({state.reason})"
    if state.state == IDLE and "deliver" in state.hooks:
        return f"{state.name} is idle ({state.reason})"
    return None


def installed_plugins() -> dict[str, str]:
    """The distribution of each plugin in this environment."""
    return {point.name: point.dist.name if point.dist else "" for point in entry_points_of(NAMESPACE)}


@cache
def known_transports() -> tuple[str, ...]:
    """Distributions that onepush-core's own metadata call transports."""
    try:
        found = [Requirement(text) for text in requires("onepush-core") or ()]
    except PackageNotFoundError:
        return ()
    marked = [one for one in found if one.marker and one.marker.evaluate({"extra": EXTRA})]
    return tuple(one.name for one in marked if one.marker and not one.marker.evaluate({"extra": ""}))
