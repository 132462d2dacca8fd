"""Plugins: found, made from their settings, checked, and kept apart from each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import gevent
import pytest

from onepush_core.errors import ConfigurationError
from onepush_core.hookspecs import hookimpl
from onepush_core.plugins import HOOKS, Plugins, load_plugins


class Point(NamedTuple):
    """An entry point, as far as the loader looks at it."""

    name: str
    factory: Callable[[dict[str, Any]], object] | Exception
    dist: None = None

    def load(self) -> Callable[[dict[str, Any]], object]:
        if isinstance(self.factory, Exception):
            raise self.factory
        return self.factory


class Quiet:
    """A plugin with one hook that answers its own word."""

    def __init__(self, word: object = None) -> None:
        self.word = word

    @hookimpl
    def check_back(self, message):
        if isinstance(self.word, Exception):
            raise self.word
        return self.word


class First(Quiet):
    @hookimpl(tryfirst=True)
    def check_back(self, message):
        return self.word


class Last(Quiet):
    @hookimpl(trylast=True)
    def check_back(self, message):
        return self.word


class Hanging:
    """A plugin that does not come back."""

    asked = 0

    @hookimpl
    def check_back(self, message):
        self.asked += 1
        gevent.sleep(10)


def states(plugins: Plugins) -> dict[str, tuple[str, str | None]]:
    found = {one.name: (one.state, one.reason) for one in plugins.states()}
    return {name: state for name, state in found.items() if not name.startswith("core.")}


def test_load_hands_each_plugin_its_own_table():
    """A plugin sees the table under its entry-point name, an empty one where there is none."""
    seen = {}

    def factory(name):
        return lambda table: (seen.setdefault(name, table) and None) or Quiet()

    load_plugins({"a": {"x": 1}}, None, (), [Point("a", factory("a")), Point("b", factory("b"))])
    assert seen == {"a": {"x": 1}, "b": {}}


def test_load_takes_all_that_are_installed():
    """Without a list every installed plugin takes part; with one only those named."""
    points = [Point(name, lambda table: Quiet()) for name in "abc"]
    assert set(states(load_plugins({}, None, (), points))) == {"a", "b", "c"}
    assert set(states(load_plugins({}, ["b"], (), points))) == {"b"}
    assert set(states(load_plugins({}, [], (), points))) == set()


def test_order_names_plugins_as_they_are_called():
    """``tryfirst`` first, ``trylast`` last, in between the one registered last."""
    plugins = Plugins()
    for name, plugin in {"first": First(), "a": Quiet(), "last": Last(), "b": Quiet()}.items():
        plugins.register(plugin, name)
    assert plugins.order() == {"check_back": ["first", "b", "a", "last"]}


def test_load_refuses_an_unknown_name():
    """A plugin that is asked for must be installed, in ``load`` and in ``required`` alike."""
    with pytest.raises(ConfigurationError, match=r"^plugins\.load: no plugin named 'typo' is installed"):
        load_plugins({}, ["typo"], (), [])
    with pytest.raises(ConfigurationError, match=r"^plugins\.required: no plugin named 'typo' is installed"):
        load_plugins({}, None, ["typo"], [])


def test_load_sets_a_broken_plugin_aside():
    """One that does not import costs its own channel only, and says why."""
    points = [Point("bad", ImportError("no module named phone")), Point("good", lambda table: Quiet())]
    assert states(load_plugins({}, None, (), points)) == {
        "good": ("active", None),
        "bad": ("set aside", "does not import: ImportError"),
    }


def test_load_stops_without_a_required_plugin():
    """Broken and required: no start."""
    with pytest.raises(ConfigurationError, match="plugin bad: does not import: ImportError: no module"):
        load_plugins({}, None, ["bad"], [Point("bad", ImportError("no module named phone"))])


def test_load_stops_for_a_bad_setting():
    """A wrong setting is never taken for a broken plugin; the line names the plugin and the key."""

    def factory(table):
        raise ConfigurationError("a.timeout: must be positive")

    with pytest.raises(ConfigurationError, match=r"^plugin a: a\.timeout: must be positive$"):
        load_plugins({}, None, (), [Point("a", factory)])


def test_register_refuses_a_misspelt_hook():
    """A hook that does not exist would never be called: that stops the start."""

    class Misspelt:
        @hookimpl
        def delivr(self, message):
            """Nobody calls this."""

    with pytest.raises(ConfigurationError, match=r"plugin a: .*delivr"):
        Plugins().register(Misspelt(), "a")


def test_register_refuses_an_unknown_argument():
    """So does an argument that the hook does not have."""

    class Curious:
        @hookimpl
        def on_confirm(self, receipt, weather):
            """There is no weather."""

    with pytest.raises(ConfigurationError, match="plugin a: "):
        Plugins().register(Curious(), "a")


def test_register_refuses_a_name_twice():
    """Two plugins of one name could not be told apart in the trail."""
    plugins = Plugins()
    plugins.register(Quiet(), "a")
    with pytest.raises(ConfigurationError, match="plugin a: "):
        plugins.register(Quiet(), "a")


def test_plugins_know_ten_hooks():
    """The hooks are those of hookspecs.py, and no more."""
    assert sorted(HOOKS) == sorted(
        [
            "authenticate_app",
            "resolve_audience",
            "check_send",
            "check_registration",
            "deliver",
            "check_back",
            "on_confirm",
            "register_routes",
            "startup",
            "shutdown",
        ]
    )


def test_implementations_come_in_calling_order():
    """``tryfirst`` before the others, ``trylast`` after them; of two alike the one registered later first."""
    plugins = Plugins()
    for name, plugin in (("last", Last()), ("one", Quiet()), ("first", First()), ("two", Quiet())):
        plugins.register(plugin, name)
    order = [one.plugin_name for one in plugins.implementations("check_back")]
    assert order == ["first", "two", "one", "last"]


def test_caller_asks_one_plugin_only():
    """The others do not even notice."""
    plugins = Plugins()
    plugins.register(Quiet([1.0]), "a")
    plugins.register(Quiet([2.0]), "b")
    assert plugins.caller("check_back", "a")(message=None) == [[1.0]]
    assert plugins.caller("check_back", "b")(message=None) == [[2.0]]


def test_each_leaves_out_a_plugin_that_raises():
    """One that raises and one that has nothing to say are left out; the rest is heard."""
    plugins = Plugins()
    for name, word in (("a", [1.0]), ("b", RuntimeError("mine")), ("c", None), ("d", [4.0])):
        plugins.register(Quiet(word), name)
    assert dict(plugins.each("check_back", message=None)) == {"a": [1.0], "d": [4.0]}


def test_each_leaves_out_a_plugin_that_hangs():
    """After its deadline the next one is asked."""
    plugins = Plugins()
    plugins.register(Quiet([1.0]), "good")
    plugins.register(Hanging(), "bad")
    assert dict(plugins.each("check_back", 0.02, message=None)) == {"good": [1.0]}


def test_each_leaves_a_failing_plugin_alone():
    """After three failures in a row it is not even asked, and nobody waits for it."""
    hanging, plugins = Hanging(), Plugins()
    plugins.register(hanging, "bad")
    for _ in range(5):
        assert not dict(plugins.each("check_back", 0.01, message=None))
    assert hanging.asked == 3


def test_wrappers_surround_each_call():
    """A pluggy wrapper of one plugin applies to the calls of all others."""

    class Doubler:
        @hookimpl(wrapper=True)
        def check_back(self, message):
            results = yield
            return [[2 * delay for delay in result] for result in results]

    plugins = Plugins()
    plugins.register(Doubler(), "doubler")
    plugins.register(Quiet([3.0]), "a")
    assert list(plugins.each("check_back", message=None)) == [("a", [6.0])]


def test_states_show_idle_plugins():
    """A plugin without its credentials says so, and takes part all the same."""
    plugin = Quiet()
    plugin.idle_reason = "no credentials"
    plugins = Plugins()
    plugins.register(plugin, "a", "1.2")
    [state] = plugins.states()
    assert (state.name, state.version, state.hooks) == ("a", "1.2", ["check_back"])
    assert (state.state, state.reason) == ("idle", "no credentials")


def test_managers_share_nothing():
    """Two gateways in one process do not see each other's plugins."""
    first, second = Plugins(), Plugins()
    first.register(Quiet([1.0]), "a")
    assert second.names == []
    assert not list(second.each("check_back", message=None))
