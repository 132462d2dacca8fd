"""Starting the plugins: one that fails is set aside, leaves nothing behind, and hurts nobody."""

from __future__ import annotations

from functools import partial

import gevent
import pytest
from falcon.testing import TestClient
from prometheus_client import Counter, generate_latest

from core_doubles import add_device, make_app
from inside_gateway import counts, send
from onepush_core import api
from onepush_core.errors import ConfigurationError, PluginFault, UnknownOptions
from onepush_core.events import Events
from onepush_core.gateway import Gateway
from onepush_core.hookspecs import hookimpl
from onepush_core.metrics import Registry
from onepush_core.plugins import Plugins, load_plugins
from onepush_core.settings import Settings, StoreSettings
from onepush_core.starting import Starting
from onepush_core.testing import RecordingSockets, await_that

pytestmark = pytest.mark.once


class Page:
    def on_get(self, req, resp):
        resp.text = "a page of a plugin"


class Grasping:
    """Takes everything that a plugin can take, then fails in one of its hooks; every call is noted."""

    def __init__(self, failing: str | None) -> None:
        self.failing = failing
        self.calls: list[str] = []
        self.heard: list[int] = []

    def _note(self, hook: str) -> None:
        self.calls.append(hook)
        if hook == self.failing:
            raise RuntimeError("password=secret")

    @hookimpl
    def startup(self, gateway):
        gateway.on("app_disabled", self.heard.append)
        Counter("grasping", "What it counts.", registry=gateway.metrics.registry)
        self._note("startup")

    @hookimpl
    def register_routes(self, gateway):
        self._note("register_routes")
        return [("/grasping", Page())]

    @hookimpl
    def check_send(self, app, draft):
        self._note("check_send")

    @hookimpl(tryfirst=True)
    def deliver(self, message, devices):
        self._note("deliver")

    @hookimpl
    def check_back(self, message):
        self._note("check_back")

    @hookimpl
    def shutdown(self):
        self._note("shutdown")


class Serving:
    """A gateway with these plugins by name, and its HTTP side."""

    def __init__(self, folder, required=(), **named) -> None:
        plugins = load_plugins({}, [])
        plugins.roster.required = frozenset(required)
        for name, plugin in named.items():
            plugins.register(plugin, name, "1.0")
        settings = Settings(store=StoreSettings(database=f"sqlite:///{folder}/x.db"))
        self.gateway = Gateway(settings, plugins=plugins)
        application = api.create_app(self.gateway)
        self.client = TestClient(application)
        self._mount = partial(api.mount, application)

    def __enter__(self):
        try:
            self.gateway.start(self._mount)
        except BaseException:
            self.gateway.close()
            raise
        return self

    def __exit__(self, *_):
        self.gateway.stop()
        self.gateway.close()

    def ready(self):
        return self.client.simulate_get("/health/ready").json["plugins"]


@pytest.mark.parametrize("failing", ["startup", "register_routes"])
def test_plugin_that_fails_to_start_leaves_nothing_behind(tmp_path, failing):
    """No hook, route, callback, metric or option of it is left; the transport beside it works."""
    bad, good = Grasping(failing), RecordingSockets()
    with Serving(tmp_path, bad=bad, good=good) as serving:
        gateway = serving.gateway
        called = list(bad.calls)
        app = check_delivery(gateway)
        gateway.events.tell("app_disabled", app.key)
        assert serving.client.simulate_get("/grasping").status_code == 404
        assert b"grasping" not in generate_latest(gateway.metrics.registry)
        with pytest.raises(
            UnknownOptions, match=f"plugin 'bad' is set aside: {failing} fails: RuntimeError$"
        ):
            send(gateway, app, options={"bad": {}})
    assert called == bad.calls == [*{"startup": 0, failing: 0}, "shutdown"]
    assert bad.heard == []


def check_delivery(gateway):
    """A message to one device gets there; the app that sent it."""
    app = make_app(gateway)
    add_device(gateway, app, "t")
    message = send(gateway, app)
    await_that(lambda: counts(gateway, app, message) == {"handedOff": 1})
    return app


@pytest.mark.parametrize("failing", ["startup", "register_routes"])
def test_plugin_that_fails_to_start_stops_a_start_that_requires_it(tmp_path, failing):
    """One line that names the plugin, the hook and the error."""
    line = f"^plugin bad: {failing} fails: RuntimeError: password=secret$"
    with pytest.raises(ConfigurationError, match=line), Serving(tmp_path, ["bad"], bad=Grasping(failing)):
        """It does not get here."""


def test_readiness_shows_states_and_reasons(tmp_path):
    """Each plugin and why it takes no part; never what a plugin itself said in its error."""
    idle = RecordingSockets()
    idle.idle_reason = "no credentials"
    with Serving(tmp_path, bad=Grasping("startup"), idle=idle, good=RecordingSockets()) as serving:
        states = serving.ready()
    assert states["bad"] == {"state": "set aside", "reason": "startup fails: RuntimeError"}
    assert states["idle"] == {"state": "idle", "reason": "no credentials"}
    assert states["good"] == {"state": "active"}


def test_metric_shows_states(tmp_path):
    """One sample for each plugin and state: 1 where it is."""
    with Serving(tmp_path, bad=Grasping("startup"), good=RecordingSockets()) as serving:
        exposed = serving.client.simulate_get("/metrics").text
    assert 'onepush_plugin_state{plugin="bad",state="set aside"} 1.0' in exposed
    assert 'onepush_plugin_state{plugin="bad",state="active"} 0.0' in exposed
    assert 'onepush_plugin_state{plugin="good",state="active"} 1.0' in exposed
    assert 'onepush_plugin_state{plugin="core.key",state="active"} 1.0' in exposed


class Hanging:
    """Does not come back from ``startup``, and ends in two ways of its own elsewhere."""

    @hookimpl
    def startup(self, gateway):
        gevent.sleep(10)


class Exiting:
    @hookimpl
    def startup(self, gateway):
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [(Hanging(), "startup takes more than 0.02 seconds"), (Exiting(), "startup fails: SystemExit")],
    ids=["hangs", "exits"],
)
def test_plugin_that_hangs_or_exits_is_set_aside(plugin, reason):
    """The others are not kept waiting, and the process is not ended."""
    plugins = Plugins()
    plugins.register(plugin, "bad")
    Starting(plugins, Events(), Registry(), deadline=0.02).run(None)
    assert plugins.roster.aside["bad"].reason == reason


def test_plugin_that_takes_a_metric_of_the_core_is_set_aside(tmp_path):
    """Its name is taken: that is an accident like any other, and the core's metric stays."""

    class Greedy:
        @hookimpl
        def startup(self, gateway):
            Counter("onepush_confirmed", "Mine.", registry=gateway.metrics.registry)

    with Serving(tmp_path, greedy=Greedy()) as serving:
        assert serving.ready()["greedy"]["reason"].startswith("startup fails: ")
        assert "onepush_confirmed_total" in serving.client.simulate_get("/metrics").text


def test_plugin_whose_migration_fails_is_set_aside(tmp_path):
    """The core's tables and the other plugins' are what they should be."""

    class Carrier(RecordingSockets):
        migrations = tmp_path / "migrations"

    Carrier.migrations.mkdir()
    (Carrier.migrations / "0001_bad.py").write_text("def up(migrator, db):\n    db.execute_sql('NONSENSE')\n")
    with Serving(tmp_path, carrier=Carrier(), good=RecordingSockets()) as serving:
        state = serving.ready()["carrier"]
        assert state["state"] == "set aside"
        assert state["reason"].startswith("cannot bring its tables up to date: ")
        check_delivery(serving.gateway)


def test_plugin_whose_idle_reason_fails_is_idle(tmp_path):
    """Whoever cannot even say what is missing takes no part in messages, and keeps none from being sent."""

    class Vague(RecordingSockets):
        @property
        def idle_reason(self):
            raise RuntimeError("password=secret")

    vague = Vague()
    with Serving(tmp_path, vague=vague, good=RecordingSockets()) as serving:
        assert serving.ready()["vague"] == {"state": "idle", "reason": "its idle_reason fails: RuntimeError"}
        check_delivery(serving.gateway)
    assert vague.calls == []


def test_withdrawn_plugin_can_be_required_no_more():
    """A core plugin is always required."""
    plugins = load_plugins({}, [])
    with pytest.raises(ConfigurationError, match=r"^plugin core\.key: gone$"):
        plugins.withdraw("core.key", PluginFault("gone"))
