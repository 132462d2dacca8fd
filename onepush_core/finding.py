"""Finding plugins: by entry point, judged by their distributions' metadata, made from their settings."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from typing import Any

from onepush_core import contract
from onepush_core.errors import ConfigurationError, PluginFault
from onepush_core.roster import Release


def by_name(points: Iterable[EntryPoint]) -> dict[str, list[EntryPoint]]:
    """The entry points by name; more than one of a name come from distributions that quarrel about it."""
    found: dict[str, list[EntryPoint]] = {}
    for point in points:
        found.setdefault(point.name, []).append(point)
    return found


def release_of(point: EntryPoint) -> Release:
    """What the plugin's distribution says of itself; nothing of the plugin is imported for it."""
    if point.dist is None:
        return Release()
    keywords = ",".join(point.dist.metadata.get_all("Keywords") or [])
    return Release(point.dist.version, contract.declared_range(keywords))


def check_release(point: EntryPoint) -> Release:
    """The release, when it is one for this onepush. Raises PluginFault."""
    release = release_of(point)
    contract.check_range(release.api)
    return release


def check_single(points: list[EntryPoint]) -> None:
    """Raise PluginFault for a name that more than one distribution has: nobody knows which is meant."""
    if len(points) > 1:
        owners = sorted(point.dist.name if point.dist else point.value for point in points)
        raise PluginFault(f"is brought by more than one distribution: {', '.join(owners)}")


def make_plugin(point: EntryPoint, table: dict[str, Any]) -> object:
    """Import the plugin and make it. Raises PluginFault; ConfigurationError when its settings are bad."""
    try:
        factory = point.load()
    except (Exception, SystemExit) as error:
        raise PluginFault.of("does not import", error) from error
    try:
        plugin = factory(table)
    except ConfigurationError as error:
        raise ConfigurationError(f"plugin {point.name}: {error}") from error
    except (Exception, SystemExit) as error:
        raise PluginFault.of("cannot be made", error) from error
    if plugin is None:
        raise PluginFault("its factory gave None")
    return plugin


@contextmanager
def deprecations() -> Iterator[list[str]]:
    """Collects what a registration is told about hooks and arguments that will go."""
    told: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield told
    told += [str(one.message) for one in caught if issubclass(one.category, DeprecationWarning)]
