"""Starting the plugins, each by itself: one that fails is set aside and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import gevent

from onepush_core.errors import ConfigurationError, PluginFault
from onepush_core.events import Events
from onepush_core.metrics import Registry
from onepush_core.plugins import Plugins

Mount = Callable[[Iterable[tuple[str, object]], str], None]
DEADLINE = 4.0
"""Seconds that ``startup`` and ``register_routes`` of one plugin may wait; a failed start takes under 5."""


class Starting:
    """Calls ``startup`` of all plugins, then ``register_routes`` of all.

    ``mount(routes, owner)`` takes a plugin's Falcon resources, all or none of them. What a plugin adds to
    ``events`` and ``registry`` meanwhile is taken out again when it is set aside.
    """

    def __init__(
        self,
        plugins: Plugins,
        events: Events,
        registry: Registry,
        mount: Mount | None = None,
        deadline: float = DEADLINE,
    ) -> None:
        self._deadline = deadline
        self._plugins = plugins
        self._events = events
        self._registry = registry
        self._mount = mount
        self._undo: dict[str, list[Callable[[], object]]] = {}

    def run(self, gateway: object) -> None:
        """Raises ConfigurationError for a required plugin that fails, and for bad settings of any."""
        for hook in ("startup", "register_routes"):
            for name in [one.plugin_name for one in self._plugins.implementations(hook)]:
                try:
                    self._attempt(name, hook, gateway)
                except PluginFault as fault:
                    self._set_aside(name, fault)

    def _attempt(self, name: str, hook: str, gateway: object) -> None:
        """Call one hook, and mount what comes of it. Raises PluginFault."""
        callbacks, collectors = self._events.callbacks(), list(self._registry.collectors)
        try:
            answers = self._call(name, hook, gateway)
            routes = _read_routes(answers) if hook == "register_routes" else []
        except ConfigurationError as error:
            raise ConfigurationError(f"plugin {name}: {error}") from error
        except gevent.Timeout as error:
            raise PluginFault(f"{hook} takes more than {self._deadline:g} seconds") from error
        except (Exception, SystemExit) as error:
            raise PluginFault.of(f"{hook} fails", error) from error
        finally:
            self._note(name, callbacks, collectors)
        if routes and self._mount is not None:
            _mount_all(self._mount, routes, name)

    def _call(self, name: str, hook: str, gateway: object) -> list[Any]:
        with gevent.Timeout(self._deadline):
            answers: list[Any] = self._plugins.caller(hook, name)(gateway=gateway)
        return answers

    def _note(self, name: str, callbacks: list[Any], collectors: list[Any]) -> None:
        """Remember how to undo what the plugin has added to these."""
        undo = self._undo.setdefault(name, [])
        added = [one for one in self._events.callbacks() if one not in callbacks]
        undo += [partial(self._events.forget, *one) for one in added]
        brought = [one for one in self._registry.collectors if one not in collectors]
        undo += [partial(self._registry.unregister, one) for one in brought]

    def _set_aside(self, name: str, fault: PluginFault) -> None:
        """Let the plugin say goodbye, as far as it had come, then forget it."""
        self._plugins.tell("shutdown", name)
        for undo in self._undo.get(name, ()):
            undo()
        self._plugins.withdraw(name, fault)


def _read_routes(answers: Iterable[Any]) -> list[tuple[str, object]]:
    return [(path, resource) for routes in answers for path, resource in routes or ()]


def _mount_all(mount: Mount, routes: list[tuple[str, object]], name: str) -> None:
    try:
        mount(routes, name)
    except ConfigurationError as error:
        raise PluginFault(str(error).removeprefix(f"{name}: ")) from error
    except Exception as error:
        raise PluginFault.of("its routes cannot be mounted", error) from error
