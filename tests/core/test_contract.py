"""The contract with plugins: the range that they declare, hooks and arguments older and newer than ours."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from email.message import Message as Metadata
from typing import NamedTuple

import pytest

from onepush_core import API_VERSION
from onepush_core.contract import VERSION, check_range, declared_range
from onepush_core.errors import ConfigurationError, PluginFault
from onepush_core.finding import deprecations
from onepush_core.hookspecs import hookimpl, hookspec
from onepush_core.plugins import Plugins, load_plugins
from onepush_core.roster import PluginState


class Distribution(NamedTuple):
    """What an installed distribution says of itself."""

    name: str
    version: str
    metadata: Metadata


class Point:
    """An entry point of a distribution with these keywords; importing it is noted in ``imported``."""

    def __init__(self, plugin: object, keywords: str | None = None, name: str = "pager") -> None:
        self.name = self.value = name
        self.imported = False
        self._plugin = plugin
        metadata = Metadata()
        if keywords is not None:
            metadata["Keywords"] = keywords
        self.dist = Distribution(f"acme-{name}", "2.5", metadata)

    def load(self):
        self.imported = True
        return lambda table: self._plugin


class Confirmed:
    """A plugin that is told of confirms."""

    @hookimpl
    def on_confirm(self, receipt):
        """Nothing is done with it."""


def load(plugin: object, keywords: str | None = None, **options) -> PluginState:
    """What becomes of an installed plugin."""
    plugins = load_plugins({}, None, found=[Point(plugin, keywords)], **options)
    [state] = [one for one in plugins.states() if one.name == "pager"]
    return state


@pytest.mark.parametrize(
    ("keywords", "declared"),
    [
        ("", None),
        ("push,onepush", None),
        ("push,onepush-api", None),
        ("onepush-api-tools,push", None),
        ("push,onepush-api~=1.0,onepush", "~=1.0"),
        ("push, onepush-api ~= 1.0", "~= 1.0"),
        ("onepush-api>=1.2,<3,push", ">=1.2,<3"),
        ("onepush-api<3,onepush-api>=1.2,push", "<3,>=1.2"),
        ("onepush-api>=1.2,push,<3", ">=1.2"),
        ("onepush-api=1.0", "=1.0"),
    ],
)
def test_range_is_read_from_keywords(keywords, declared):
    """One keyword or several, in any order, with commas inside: build backends join them with commas."""
    assert declared_range(keywords) == declared


@pytest.mark.parametrize("declared", [None, "~=1.0", ">=1.0", ">=1.0,<3", ">=0.9,!=1.1"])
def test_range_that_holds_this_version_is_accepted(declared):
    """The version is compared as a version, not as a text."""
    check_range(declared, "1.0")
    check_range(declared, "1.10")


@pytest.mark.parametrize("declared", ["~=2.0", ">=1.1", "<1.0", "==1.1.*"])
def test_range_without_this_version_is_refused(declared):
    """The reason says which range is wanted and which version is here."""
    with pytest.raises(
        PluginFault, match=rf"^wants onepush API {declared}; this onepush has 1\.0$".replace("*", r"\*")
    ):
        check_range(declared, "1.0")


def test_range_that_cannot_be_read_is_refused():
    """A slip in the keyword is not taken for no declaration."""
    with pytest.raises(PluginFault, match=r"cannot be read: onepush-api=1\.0"):
        check_range("=1.0")


def test_version_is_a_tuple_and_a_text():
    """The one for comparing, the other for people."""
    assert ".".join(map(str, API_VERSION)) == VERSION
    assert (1, 0) <= API_VERSION < (2, 0)


def test_load_sets_aside_what_is_for_another_version():
    """Nothing of the plugin is imported for that."""
    point = Point(Confirmed(), "onepush-api~=7.3")
    plugins = load_plugins({}, None, found=[point])
    [state] = [one for one in plugins.states() if one.name == "pager"]
    assert (state.state, state.reason) == (
        "set aside",
        f"wants onepush API ~=7.3; this onepush has {VERSION}",
    )
    assert (state.version, state.api, state.hooks) == ("2.5", "~=7.3", [])
    assert not point.imported
    assert "pager" not in plugins.names


def test_load_takes_what_declares_no_range():
    """A plugin without a declaration is taken as it is."""
    state = load(Confirmed())
    assert (state.state, state.api, state.hooks) == ("active", None, ["on_confirm"])


def test_load_stops_without_a_required_version():
    """A required plugin for another version: no start, and one line that says why."""
    with pytest.raises(
        ConfigurationError, match=r"^plugin pager: wants onepush API ~=7\.3; this onepush has"
    ):
        load(Confirmed(), "onepush-api~=7.3", required=["pager"])


def test_load_shows_a_required_plugin_to_who_is_lenient():
    """For ``onepush plugins``, which is there to show what keeps the gateway from starting."""
    assert load(Confirmed(), "onepush-api~=7.3", required=["pager"], lenient=True).state == "set aside"


class Misspelt:
    @hookimpl
    def delivr(self, message):
        """Nobody calls this."""


class Curious:
    @hookimpl
    def deliver(self, message, devices, urgency):
        """This core knows no urgency."""


class Unmarked:
    def deliver(self, message, devices):
        """Nobody calls this."""


class Async:
    @hookimpl
    async def deliver(self, message, devices):
        """Nobody awaits this."""


class NoWrapper:
    @hookimpl(wrapper=True)
    def deliver(self, message):
        """A wrapper has to yield."""


@dataclass
class Equal(Confirmed):
    """pluggy keeps plugins in sets."""

    number: int = 1


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        (Misspelt(), f"has a hook 'delivr', which onepush API {VERSION} does not know"),
        (Curious(), f"asks deliver for 'urgency', which onepush API {VERSION} does not give"),
        (Unmarked(), "has deliver, but no hook is marked with @hookimpl"),
        (Async(), "has an async deliver"),
        (NoWrapper(), "Declared as wrapper"),
        (Equal(), "cannot be hashed"),
        (None, "its factory gave None"),
    ],
    ids=["unknown hook", "unknown argument", "unmarked", "async", "no wrapper", "dataclass", "none"],
)
def test_load_sets_aside_what_breaks_the_contract(plugin, reason):
    """It is seen, and it does not take the gateway down."""
    state = load(plugin, "onepush-api~=1.0")
    assert (state.state, state.reason[: len(reason)], state.hooks) == ("set aside", reason, [])


def test_load_says_that_a_newer_onepush_is_needed():
    """A hook or an argument from the future may be a slip, or may be from the future."""
    assert load(Misspelt()).reason.endswith("it is misspelt, or a newer onepush is needed")
    assert load(Curious()).reason.endswith("it is misspelt, or a newer onepush is needed")


def test_load_leaves_nothing_of_a_plugin_set_aside():
    """Not even its good hooks are called."""

    class Half(Confirmed):
        @hookimpl
        def delivr(self, message):
            """Nobody calls this."""

    plugins = load_plugins({}, None, found=[Point(Half()), Point(Confirmed(), name="good")])
    assert [one.plugin_name for one in plugins.implementations("on_confirm")] == ["good"]
    assert plugins.order()["on_confirm"] == ["good"]


def test_load_takes_optional_hooks_of_the_future():
    """A plugin may have a hook that only newer versions call, when it says so."""

    class Ready(Confirmed):
        @hookimpl(optionalhook=True)
        def on_read(self, receipt):
            """For newer versions."""

    assert load(Ready()).state == "active"


def test_load_remarks_on_a_hook_without_a_mark():
    """One hook is marked and another forgotten: the plugin works, and the remark is told."""

    class Forgetful(Confirmed):
        def check_back(self, message):
            """Nobody calls this."""

    plugins = load_plugins({}, None, found=[Point(Forgetful())])
    assert plugins.roster.remarks["pager"] == ["check_back is not marked with @hookimpl"]


def test_load_sets_aside_a_name_that_two_distributions_have():
    """Nobody knows which of them is meant."""
    one, two = Point(Confirmed()), Point(Confirmed())
    two.dist = two.dist._replace(name="other-pager")
    plugins = load_plugins({}, None, found=[one, two])
    [state] = [state for state in plugins.states() if state.name == "pager"]
    assert state.reason == "is brought by more than one distribution: acme-pager, other-pager"


@pytest.mark.parametrize("error", [SystemExit(3), KeyError("x")], ids=repr)
def test_load_survives_any_accident(error):
    """A plugin that ends the process when it is made is set aside like any other."""

    class Exiting(Point):
        def load(self):
            def make(table):
                raise error

            return make

    plugins = load_plugins({}, None, found=[Exiting(None)])
    [state] = [one for one in plugins.states() if one.name == "pager"]
    assert state.reason == f"cannot be made: {type(error).__name__}"


class Future:
    """The hooks of a later version: ``deliver`` has an argument more, ``check_back`` is going away."""

    @staticmethod
    @hookspec
    def deliver(message, devices, waited, urgency):
        """One argument more than before."""

    @staticmethod
    @hookspec(
        warn_on_impl=DeprecationWarning("check_back goes with API 3: yield Outcome(retry_after=…) instead")
    )
    def check_back(message):
        """On its way out."""


OLD_CALL = {"message": "m", "devices": ["d"], "waited": 1.5, "urgency": "high"}


class Old:
    """A plugin as it was written when ``deliver`` had two arguments."""

    def __init__(self) -> None:
        self.calls = []

    @hookimpl
    def deliver(self, message, devices):
        self.calls.append((message, devices))
        return ["taken"]


@pytest.mark.parametrize("traced", [False, True])
def test_hook_that_gains_an_argument_breaks_no_plugin(traced):
    """Who was written against the older signature is called with what it asks for."""
    plugins, old = Plugins(specs=Future), Old()
    plugins.register(old, "old")
    if traced:
        plugins.trace(lambda line: None)
    assert plugins.caller("deliver", "old")(**OLD_CALL) == [["taken"]]
    assert old.calls == [("m", ["d"])]


def test_hook_gives_a_new_argument_to_who_asks_for_it():
    """Old and new plugins stand side by side, in any order of arguments."""

    class New:
        @hookimpl
        def deliver(self, urgency, message):
            return [urgency, message]

    plugins = Plugins(specs=Future)
    plugins.register(Old(), "old")
    plugins.register(New(), "new")
    assert dict(plugins.each("deliver", **OLD_CALL)) == {"old": ["taken"], "new": ["high", "m"]}


def test_wrapper_of_an_older_signature_still_works():
    """Wrappers choose their arguments too."""

    class Wrapper:
        @hookimpl(wrapper=True)
        def deliver(self, message):
            answers = yield
            return [[message, *answer] for answer in answers]

    plugins = Plugins(specs=Future)
    plugins.register(Wrapper(), "wrapper")
    plugins.register(Old(), "old")
    assert dict(plugins.each("deliver", **OLD_CALL)) == {"old": ["m", "taken"]}


def test_deprecations_become_remarks():
    """What pluggy warns of while a plugin is registered; other warnings are not for the operator."""
    with deprecations() as told:
        warnings.warn("check_back goes", DeprecationWarning, stacklevel=1)
        warnings.warn("something else", UserWarning, stacklevel=1)
    assert told == ["check_back goes"]


def test_hook_on_its_way_out_warns_its_plugins():
    """A plugin's own tests see the warning; an operator finds it in the log and in ``plugins --verbose``."""

    class Patient:
        @hookimpl
        def check_back(self, message):
            return [5.0]

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Plugins(specs=Future).register(Patient(), "patient")
    assert [str(one.message) for one in caught] == [
        "check_back goes with API 3: yield Outcome(retry_after=…) instead"
    ]
