"""The plugins of one gateway: found by entry point, made from their settings, registered and checked."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import gevent
import pluggy
import structlog

from onepush_core import __version__, contract, hookspecs
from onepush_core.breaker import Breaker
from onepush_core.defaults import DEFAULTS
from onepush_core.errors import ConfigurationError, OnepushError, PluginFault, PluginUnavailable
from onepush_core.finding import by_name, check_single, deprecations, make_plugin, release_of
from onepush_core.hookspecs import NAMESPACE
from onepush_core.installed import entry_points_of
from onepush_core.roster import CORE, OURS, PluginState, Release, Roster
from onepush_core.trace import HookTrace

log = structlog.get_logger("onepush.plugins")
REFUSING = ("authenticate_app", "resolve_audience", "check_send", "check_registration")
"""Hooks in which an error of ours (OnepushError) is an answer."""
NOT_WHEN_IDLE = ("check_send", "check_registration", "deliver", "check_back", "on_confirm")
FAILURES = 3
"""Failures in a row after which a plugin is not asked for half a minute."""
DEADLINE = 2.0
"""Seconds a small hook may take: all but ``deliver``, ``startup`` and ``register_routes``."""
HOOKS = tuple(name for name, value in vars(hookspecs).items() if hasattr(value, f"{NAMESPACE}_spec"))
FIRST_RESULT = ("authenticate_app", "resolve_audience")
"""Hooks marked ``firstresult``: their callers give an answer, those of the others a list of answers."""


class Plugins:
    """One plugin manager, and what its plugins are called."""

    def __init__(
        self,
        required: Collection[str] = (),
        specs: ModuleType | type = hookspecs,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self.manager = pluggy.PluginManager(NAMESPACE)
        self.manager.add_hookspecs(specs)
        self.roster = Roster(required)
        self.tracer = HookTrace()
        self._breakers: dict[tuple[str, str], Breaker] = {}
        self._order: dict[str, list[str]] = {}
        self._callers: dict[tuple[str, str], Callable[..., Any]] = {}

    def register(self, plugin: object, name: str, version: str = "") -> None:
        """Add one plugin. Raises ConfigurationError for a hook or argument that does not exist."""
        try:
            self.add(plugin, name, Release(version))
        except PluginFault as fault:
            raise ConfigurationError(f"plugin {name}: {fault}") from fault

    def add(self, plugin: object, name: str, release: Release) -> None:
        """Add one plugin. Raises PluginFault when it breaks the contract; then nothing of it is left."""
        contract.check_hooks(self.manager, plugin)
        try:
            self.manager.register(plugin, name)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginFault(str(error).splitlines()[-1]) from error
        self.roster.enter(name, release)
        self._forget_callers()

    def withdraw(self, name: str, fault: PluginFault) -> None:
        """Call no hook of this plugin any more. Raises ConfigurationError when it is required."""
        self.manager.unregister(name=name)
        self._forget_callers()
        self.roster.set_aside(name, fault)

    def _forget_callers(self) -> None:
        self._order.clear()
        self._callers.clear()

    @property
    def names(self) -> list[str]:
        """Names of all registered plugins."""
        return self.roster.names

    def implementations(self, hook: str) -> list[Any]:
        """The implementations of a hook in calling order, without wrappers.

        A plugin that cannot work yet is not asked about messages and devices: that would cost each of them.
        """
        caller = getattr(self.manager.hook, hook)
        found = [one for one in caller.get_hookimpls() if not (one.hookwrapper or one.wrapper)]
        idle = hook in NOT_WHEN_IDLE
        return [one for one in found[::-1] if not (idle and idle_reason(one.plugin))]

    def _asked_for(self, hook: str) -> list[str]:
        """Names of the plugins to be asked, in order; looked up once, since every send asks."""
        if hook not in self._order:
            self._order[hook] = [one.plugin_name for one in self.implementations(hook)]
        return self._order[hook]

    def caller(self, hook: str, name: str) -> Callable[..., Any]:
        """Calls a hook of this one plugin only (wrappers still apply)."""
        if (hook, name) not in self._callers:
            self._callers[hook, name] = self._make_caller(hook, name)
        return self._callers[hook, name]

    def _make_caller(self, hook: str, name: str) -> Callable[..., Any]:
        found = getattr(self.manager.hook, hook).get_hookimpls()
        wrappers = {one.plugin for one in found if one.hookwrapper or one.wrapper}
        mine = [one for one in found if one.plugin_name == name]
        if not wrappers and not self.tracer.active and len(mine) == 1 and not mine[0].kwargnames:
            return _direct_caller(mine[0], hook)
        others = [
            plugin
            for other, plugin in self.manager.list_name_plugin()
            if other != name and plugin is not None and plugin not in wrappers
        ]
        call: Callable[..., Any] = self.manager.subset_hook_caller(hook, others)
        return call

    def first(self, hook: str, *, pass_over: bool, **arguments: Any) -> Any:
        """The first answer that is not None.

        ``pass_over``: a plugin that fails does not keep the next from answering. Raises
        PluginUnavailable when one failed and nobody answers; errors of ours travel on.
        """
        failed = False
        for name in self._asked_for(hook):
            try:
                answer = self._call(hook, name, DEADLINE, arguments)
            except PluginUnavailable:
                if not pass_over:
                    raise
                failed = True
                continue
            if answer is not None and answer != []:
                return answer
        if failed:
            raise PluginUnavailable()
        return None

    def each(self, hook: str, deadline: float = DEADLINE, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Call a hook plugin by plugin: (name, answer) of each that answers; one that fails is left out."""
        for name in self._asked_for(hook):
            try:
                answers = self._call(hook, name, deadline, arguments)
            except PluginUnavailable:
                continue
            if answers:
                yield name, answers[0]

    def _call(self, hook: str, name: str, deadline: float, arguments: dict[str, Any]) -> Any:
        """Call a hook of one plugin; who hangs or raises again and again is left alone for a while.

        Raises PluginUnavailable, and errors of ours where they are an answer.
        """
        if name.startswith(OURS):
            return self.caller(hook, name)(**arguments)
        breaker = self._breakers.get((hook, name))
        if breaker is None:
            breaker = self._breakers[hook, name] = Breaker(failures=FAILURES, monotonic=self._monotonic)
        if breaker.pause_left():
            raise PluginUnavailable()
        timer = gevent.Timeout(deadline)
        try:
            with timer:
                answer = self.caller(hook, name)(**arguments)
        except (Exception, SystemExit, gevent.Timeout) as error:
            if error is not timer and isinstance(error, gevent.Timeout):
                raise  # somebody else's patience, who waits further out
            if hook in REFUSING and isinstance(error, OnepushError):
                raise
            breaker.failed()
            log.error("hook_failed", hook=hook, plugin=name, error=type(error).__name__)
            raise PluginUnavailable() from error
        breaker.succeeded()
        return answer

    def tell(self, hook: str, name: str, deadline: float = DEADLINE, **arguments: Any) -> None:
        """Call a hook of one plugin whose answer does not matter; an accident is logged."""
        if any(one.plugin_name == name for one in self.implementations(hook)):
            with contextlib.suppress(PluginUnavailable):
                self._call(hook, name, deadline, arguments)

    def states(self) -> list[PluginState]:
        """Every installed plugin, those set aside too."""
        found = dict(self.manager.list_name_plugin())
        return [self._state(name, found.get(name)) for name in self.roster.releases]

    def _state(self, name: str, plugin: object) -> PluginState:
        return self.roster.state_of(name, self._hooks_of(plugin), idle_reason(plugin))

    def _hooks_of(self, plugin: object) -> list[str]:
        return [] if plugin is None else [one.name for one in self.manager.get_hookcallers(plugin) or []]

    def order(self) -> dict[str, list[str]]:
        """For each hook that somebody takes part in, the plugins' names in calling order, idle ones too."""
        callers = {hook: getattr(self.manager.hook, hook) for hook in HOOKS}
        found = {
            hook: [one.plugin_name for one in caller.get_hookimpls()[::-1]]
            for hook, caller in callers.items()
        }
        return {hook: names for hook, names in found.items() if names}

    def trace(self, write: Callable[[str], object] = sys.stderr.write) -> None:
        """Print each hook call: name, message, result (``ONEPUSH_TRACE=1``)."""
        self.tracer.start(write)
        self._callers.clear()
        self.manager.add_hookcall_monitoring(self.tracer.before, self.tracer.after)


def _direct_caller(implementation: Any, hook: str) -> Callable[..., Any]:
    """What pluggy does for one implementation that nobody wraps, at a fifth of the cost.

    An implementation may take fewer arguments than the hook has.
    """
    function, names = implementation.function, implementation.argnames

    def call_first(**arguments: Any) -> Any:
        return function(*[arguments[name] for name in names])

    def call_each(**arguments: Any) -> list[Any]:
        answer = function(*[arguments[name] for name in names])
        return [] if answer is None else [answer]

    return call_first if hook in FIRST_RESULT else call_each


def idle_reason(plugin: object) -> str | None:
    """What a plugin that cannot work yet (no credentials, say) tells of it."""
    try:
        reason = getattr(plugin, "idle_reason", None)
        return str(reason) if reason else None
    except Exception as error:
        return f"its idle_reason fails: {type(error).__name__}"


def load_plugins(
    tables: dict[str, dict[str, Any]],
    load: Iterable[str] | None = None,
    required: Iterable[str] = (),
    found: Iterable[EntryPoint] | None = None,
    lenient: bool = False,
    monotonic: Callable[[], float] = time.monotonic,
) -> Plugins:
    """The core's own plugins and those installed. Raises ConfigurationError.

    ``tables``: the settings of each plugin by name. ``load``: which to take (None: all). A plugin that
    cannot take part is set aside, unless it is ``required`` and we are not ``lenient``; a bad setting is
    always an error. ``monotonic``: the clock by which one that fails is left alone for a while.
    """
    required = set(required)
    plugins = Plugins(() if lenient else required, monotonic=monotonic)
    for name, plugin in DEFAULTS.items():
        plugins.register(plugin(), f"{CORE}.{name}", __version__)
    points = by_name(entry_points_of(NAMESPACE) if found is None else found)
    wanted = set(points) if load is None else set(load)
    for name in sorted(wanted | required):
        if name not in points:
            key = "load" if name in wanted else "required"
            raise ConfigurationError(f"plugins.{key}: no plugin named {name!r} is installed")
        _load_one(plugins, name, points[name], tables.get(name, {}))
    return plugins


def _load_one(plugins: Plugins, name: str, points: list[EntryPoint], table: dict[str, Any]) -> None:
    release = release_of(points[0])
    try:
        check_single(points)
        contract.check_range(release.api)
        plugin = make_plugin(points[0], table)
        with deprecations() as remarks:
            plugins.add(plugin, name, release)
        remarks += [
            f"{hook} is not marked with @hookimpl" for hook in contract.unmarked(plugins.manager, plugin)
        ]
        plugins.roster.remarks[name] = remarks
    except PluginFault as fault:
        plugins.roster.set_aside(name, fault, release)
