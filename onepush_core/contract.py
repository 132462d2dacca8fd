"""What a plugin and this onepush promise each other: a range of versions, and the hooks with their arguments.

The range stands in the metadata of the plugin's distribution, as a keyword, so that it is known before
any code of the plugin runs. docs/plugin-contract.md has the rules.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import pluggy
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from onepush_core import API_VERSION
from onepush_core.errors import PluginFault
from onepush_core.hookspecs import NAMESPACE

KEYWORD = "onepush-api"
VERSION = ".".join(map(str, API_VERSION))
OR_NEWER = "it is misspelt, or a newer onepush is needed"
_DECLARATION = re.compile(rf"{KEYWORD}\s*([<>=!~].*)")
_OPERATORS = "<>=!~"


def declared_range(keywords: str) -> str | None:
    """The range of API versions that a distribution's ``Keywords`` declare; None: they declare none.

    ``"push,onepush-api>=1.0,onepush-api<3"`` gives ``">=1.0,<3"``. The commas are those between keywords,
    so a comma within a range and one between two halves of it look alike.
    """
    found: list[str] = []
    continues = False
    for keyword in map(str.strip, keywords.split(",")):
        declaration = _DECLARATION.fullmatch(keyword)
        if declaration:
            found.append(declaration[1])
        elif continues and keyword[:1] in _OPERATORS:
            found.append(keyword)
        continues = bool(declaration) or (continues and keyword[:1] in _OPERATORS)
    return ",".join(found) or None


def check_range(declared: str | None, version: str = VERSION) -> None:
    """Raise PluginFault when this version is outside the range. Who declares none is taken as it is."""
    try:
        fits = SpecifierSet(declared or "").contains(version, prereleases=True)
    except InvalidSpecifier:
        raise PluginFault(f"declares a range that cannot be read: {KEYWORD}{declared}") from None
    if not fits:
        raise PluginFault(f"wants onepush API {declared}; this onepush has {version}")


def check_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    """Raise PluginFault for a hook or an argument that the manager's specs do not have.

    A hook that is marked ``optionalhook`` may be unknown: it is for newer versions only.
    """
    if getattr(plugin, "__hash__", None) is None:
        raise PluginFault("cannot be hashed: a dataclass needs eq=False to be a plugin")
    implementations = _implementations(plugin)
    for hook, implementation in implementations:
        _check_hook(hook, implementation, getattr(manager.hook, hook, None))
    forgotten = [] if implementations else unmarked(manager, plugin)
    if forgotten:
        raise PluginFault(f"has {forgotten[0]}, but no hook is marked with @hookimpl")


def unmarked(manager: pluggy.PluginManager, plugin: object) -> list[str]:
    """Functions of a plugin that are called like a hook and will never be called, for want of a mark."""
    marked = {hook for hook, _ in _implementations(plugin)}
    known = [hook for hook, caller in vars(manager.hook).items() if caller.spec is not None]
    return [
        hook
        for hook in known
        if hook not in marked and inspect.isroutine(inspect.getattr_static(plugin, hook, None))
    ]


def _implementations(plugin: object) -> list[tuple[str, Any]]:
    """What a manager without specs, which objects to nothing, finds in a plugin: hooks by name."""
    finder = pluggy.PluginManager(NAMESPACE)
    finder.register(plugin, "plugin")
    callers = finder.get_hookcallers(plugin) or []
    return [(caller.name, found) for caller in callers for found in caller.get_hookimpls()]


def _check_hook(hook: str, implementation: Any, caller: Any) -> None:
    if caller is None or caller.spec is None:
        if not implementation.optionalhook:
            raise PluginFault(f"has a hook {hook!r}, which onepush API {VERSION} does not know: {OR_NEWER}")
        return
    if inspect.iscoroutinefunction(implementation.function):
        raise PluginFault(f"has an async {hook}: hooks are ordinary functions")
    for name in implementation.argnames:
        if name not in caller.spec.argnames:
            raise PluginFault(
                f"asks {hook} for {name!r}, which onepush API {VERSION} does not give: {OR_NEWER}"
            )
