"""The contract of each hook, as docs/hooks.md states it, through a gateway in this process."""

from __future__ import annotations

from functools import partial

import pytest
from falcon.testing import TestClient

from core_doubles import add_device, make_app, make_gateway
from harness.databases import store_settings
from inside_gateway import counts, running, send, settle, trail
from onepush_core import api
from onepush_core.errors import (
    AuthenticationFailed,
    ConfigurationError,
    InvalidAudience,
    InvalidField,
    PluginUnavailable,
    StoreUnavailable,
    UnknownAudienceType,
)
from onepush_core.gateway import Gateway
from onepush_core.hookspecs import hookimpl
from onepush_core.objects import App, Credentials, Outcome, Outcomes, Registration, Selector, Status
from onepush_core.plugins import load_plugins
from onepush_core.settings import Settings
from onepush_core.testing import ManualClock, RecordingSockets, await_that

pytestmark = pytest.mark.once

# pluggy reads the names of a hook's arguments off the function itself.
FORMS = {
    "authenticate_app": lambda call: lambda credentials: call(credentials),
    "resolve_audience": lambda call: lambda app, selector: call(app, selector),
    "check_send": lambda call: lambda app, draft: call(app, draft),
    "check_registration": lambda call: lambda app, registration: call(app, registration),
    "deliver": lambda call: lambda message, devices, waited: call(message, devices, waited),
    "check_back": lambda call: lambda message: call(message),
    "on_confirm": lambda call: lambda receipt: call(receipt),
    "register_routes": lambda call: lambda gateway: call(gateway),
    "startup": lambda call: lambda gateway: call(gateway),
    "shutdown": lambda call: lambda: call(),
}


class Plugin:
    """Has these hooks, as functions of what the hook is called with; every call is noted."""

    def __init__(self, **hooks) -> None:
        self.calls: list[tuple] = []
        for name, act in hooks.items():
            setattr(self, name, hookimpl(FORMS[name](partial(self._call, name, act))))

    def _call(self, name, act, *arguments):
        self.calls.append((name, *arguments))
        return act(*arguments)


ACCIDENTS = [RuntimeError("mine"), StoreUnavailable()]
"""An error of the plugin's own, and one of ours that it met in a call of the gateway."""


def nothing(*_):
    """None: not my kind, no objection, nothing to say."""


def raising(error):
    def act(*_):
        raise error

    return act


def answer(status, reason=None, retry_after=None, again=False):
    """Say the same of all devices."""
    return lambda message, devices, waited: [Outcomes(devices.keys, status, reason, retry_after, again)]


def test_hook_authenticate_app_comes_before_the_key_check(tmp_path):
    """None passes the question on to the core's key check; an App answers it."""
    guest = App(1, "guest", "Guest")
    plugin = Plugin(authenticate_app=lambda given: guest if given.app_id == "guest" else None)
    with running(tmp_path, plugin) as gateway:
        app = make_app(gateway)
        made = gateway.rotate_key(app.id)
        assert gateway.authenticate("guest", "any word") == guest
        assert gateway.authenticate(app.id, made["appKey"]) == app
        assert ("authenticate_app", Credentials(app.id, made["appKey"])) in plugin.calls
        with pytest.raises(AuthenticationFailed):
            gateway.authenticate(app.id, "wrong")


def test_hook_authenticate_app_refuses_for_all(tmp_path):
    """Raising means: my kind, and wrong. The right key does not help any more."""
    plugin = Plugin(authenticate_app=nothing)
    with running(tmp_path, plugin) as gateway:
        app = make_app(gateway)
        key = gateway.rotate_key(app.id)["appKey"]
    refusing = Plugin(authenticate_app=raising(AuthenticationFailed()))
    with running(tmp_path, refusing) as gateway, pytest.raises(AuthenticationFailed):
        gateway.authenticate(app.id, key)


def test_hook_authenticate_app_that_fails_lets_nobody_pass(tmp_path):
    """Whom a plugin in trouble might have refused gets a 503, not a pass from the next one."""
    failing = Plugin(authenticate_app=raising(OSError("no answer")))
    with running(tmp_path, failing) as gateway:
        made = gateway.administration.create_app("test")
        with pytest.raises(PluginUnavailable):
            gateway.authenticate(made["appId"], made["appKey"])


def test_hook_resolve_audience_names_devices(tmp_path):
    """A query, or ids in any iterable; devices of another app are left out by the core."""

    def resolve(app, selector):
        table = plugin.gateway.tables.device
        return {
            "QUERY": table.select(table.key).where(table.app == app.key, table.alias == "ann"),
            "IDS": iter(plugin.ids),
        }.get(selector.kind)

    plugin = Plugin(resolve_audience=resolve)
    recorder = RecordingSockets()
    with running(tmp_path, plugin, recorder) as gateway:
        plugin.gateway = gateway
        app, other = make_app(gateway), make_app(gateway, "other")
        plugin.ids = [
            gateway.register(one.id, Registration(alias=alias, platform="WEB", token=alias))
            for one, alias in ((app, "ann"), (app, "ben"), (other, "ann"))
        ]
        keys = [gateway.find_device(one).key for one in plugin.ids]
        send(gateway, app, Selector("QUERY", ("x",)))
        send(gateway, app, Selector("IDS", ("x",)))
        send(gateway, app, Selector("ALIAS", ("ben",)))
        settle(gateway)
    assert [offered for _, offered in recorder.calls] == [keys[:1], keys[:2], keys[1:2]]


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (nothing, UnknownAudienceType),
        (raising(InvalidAudience("no such club")), InvalidAudience),
        (raising(OSError("no answer")), PluginUnavailable),
    ],
)
def test_hook_resolve_audience_refuses_a_send(tmp_path, act, error):
    """Nobody's kind, mine and wrong, or an accident: the caller hears of it and nothing is stored."""
    with running(tmp_path, Plugin(resolve_audience=act)) as gateway:
        app = make_app(gateway)
        with pytest.raises(error):
            send(gateway, app, Selector("CLUB", ("x",)))
        assert gateway.read(lambda transaction: transaction.row("SELECT count(*) FROM message")) == (0,)


def test_hook_check_send_refuses_a_send(tmp_path):
    """Every plugin is asked; the first objection is the answer, and nothing is stored."""

    def strict(app, draft):
        if draft.alert == "bad":
            raise InvalidField("alert", "not this word")

    plugins = [Plugin(check_send=strict), Plugin(check_send=nothing)]
    with running(tmp_path, *plugins) as gateway:
        app = make_app(gateway)
        with pytest.raises(InvalidField, match="alert: not this word"):
            send(gateway, app, alert="bad")
        assert gateway.read(lambda transaction: transaction.row("SELECT count(*) FROM message")) == (0,)
        send(gateway, app, alert="good")
    assert [(app.id, draft.alert) for plugin in plugins for _, app, draft in plugin.calls[-1:]] == [
        (app.id, "good"),
        (app.id, "good"),
    ]


def test_hook_check_send_lets_accidents_pass(tmp_path):
    """A plugin that fails to look has no say: the send is accepted."""
    with running(tmp_path, Plugin(check_send=raising(KeyError("x")))) as gateway:
        app = make_app(gateway)
        assert gateway.status(app, send(gateway, app))["total"] == 0


def test_hook_check_registration_refuses_a_device(tmp_path):
    """Every plugin is asked; an objection is the answer, and nothing is stored."""

    def strict(app, registration):
        if registration.alias == "bad":
            raise InvalidField("alias", "not this name")

    plugins = [Plugin(check_registration=strict), Plugin(check_registration=nothing)]
    with running(tmp_path, *plugins) as gateway:
        app = make_app(gateway)
        bad, good = (Registration(alias=alias, platform="WEB", token=alias) for alias in ("bad", "good"))
        with pytest.raises(InvalidField, match="alias: not this name"):
            gateway.register(app.id, bad)
        assert gateway.read(lambda transaction: transaction.row("SELECT count(*) FROM device")) == (0,)
        gateway.register(app.id, good)
    assert [plugin.calls[-1] for plugin in plugins] == [("check_registration", app, good)] * 2


def test_hook_check_registration_lets_accidents_pass(tmp_path):
    """A plugin that fails to look has no say: the device is registered."""
    with running(tmp_path, Plugin(check_registration=raising(KeyError("x")))) as gateway:
        assert add_device(gateway, make_app(gateway), "t")


def test_hook_deliver_passes_devices_on(tmp_path):
    """First those asked first, then the others, last those asked last, each with what is still unreached."""
    first = RecordingSockets()
    middle = Plugin(deliver=lambda message, devices, waited: [Outcome(devices.keys[0], Status.SENT)])

    class Last:
        def __init__(self) -> None:
            self.calls: list[list[int]] = []

        @hookimpl(trylast=True)
        def deliver(self, message, devices):
            self.calls.append(list(devices.keys))
            return [Outcomes(devices.keys, Status.SENT)]

    last = Last()
    with running(tmp_path, last, middle, first) as gateway:
        app = make_app(gateway)
        one, two, three = (add_device(gateway, app, f"t{number}") for number in range(3))
        first.connected = {one}
        message = send(gateway, app)
        await_that(lambda: counts(gateway, app, message) == {"handedOff": 3})
    assert first.calls == [(message, [one, two, three])]
    [(_, _, offered, waited)] = middle.calls
    assert offered.keys == [two, three]
    assert 0 <= waited < 5
    assert last.calls == [[three]]


def test_hook_deliver_isolates_an_accident(tmp_path):
    """An exception of one transport costs the others nothing, and its devices go on to the next."""
    bad = Plugin(deliver=raising(RuntimeError("mine")))
    good = Plugin(deliver=answer(Status.SENT))
    with running(tmp_path, good, bad) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        message = send(gateway, app)
        await_that(lambda: counts(gateway, app, message) == {"handedOff": 1})
        assert trail(gateway, app, message) == [
            ("two", "failed", "plugin error: RuntimeError"),
            ("one", "sent", None),
        ]


@pytest.mark.parametrize("reason", ["half \ud800", "a\0b", "x" * 1_000_000], ids=["half", "nul", "long"])
def test_hook_deliver_may_give_any_reason(tmp_path, reason):
    """A vendor may write anything: the answer is recorded, the reason cut to what a store takes."""
    bad = Plugin(deliver=lambda message, devices, waited: [Outcomes(devices.keys, Status.FAILED, reason)])
    with running(tmp_path, bad) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        message = send(gateway, app)
        await_that(lambda: trail(gateway, app, message))
        [(_, outcome, stored)] = trail(gateway, app, message)
        assert (outcome, gateway.status(app, message)["state"]) == ("failed", "active")
        assert stored == reason[:500].replace("\ud800", "?").replace("\0", "?")


def test_hook_deliver_is_not_asked_for_gone_addresses(tmp_path):
    """GONE is remembered until the device registers again."""
    plugin = Plugin(deliver=answer(Status.GONE, "dead"))
    with running(tmp_path, plugin) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        for asked in (1, 1, 2):
            if asked == 2:
                add_device(gateway, app, "t")
            message = send(gateway, app)
            settle(gateway)
            await_that(partial(is_recorded, gateway))
            assert counts(gateway, app, message) == {"pending": 1}
            assert len(plugin.calls) == asked


def test_hook_deliver_respects_what_a_plugin_takes(tmp_path):
    """``takes`` spares a transport the devices and messages that are not its own."""
    plugin = Plugin(deliver=answer(Status.SENT))
    plugin.takes = lambda message, device: device.vendor == "V" and message.type == "MSG"
    with running(tmp_path, plugin) as gateway:
        app = make_app(gateway)
        mine = add_device(gateway, app, "t", vendor="V")
        add_device(gateway, app, "u")
        command = send(gateway, app, type="CMD")
        message = send(gateway, app)
        await_that(lambda: counts(gateway, app, message) == {"handedOff": 1, "pending": 1})
        assert counts(gateway, app, command) == {"pending": 2}
    assert [offered.keys for _, _, offered, _ in plugin.calls] == [[mine]]


@pytest.mark.parametrize("error", ACCIDENTS, ids=repr)
def test_hook_check_back_brings_devices_back(tmp_path, error):
    """A device nobody reached is offered again at the time a plugin asks for, whatever another one does."""
    clock, recorder = ManualClock(), RecordingSockets()
    recorder.connected = set()
    plugins = [Plugin(check_back=raising(error)), Plugin(check_back=lambda message: [20.0, 5.0])]
    with running(tmp_path, recorder, *plugins, clock=clock) as gateway:
        app = make_app(gateway)
        key = add_device(gateway, app, "t")
        message = send(gateway, app)
        settle(gateway)
        recorder.connected = {key}
        clock.jump(4.999)
        assert not gateway.followup.run_due()
        assert len(recorder.calls) == 1
        clock.jump(0.001)
        await_that(lambda: gateway.followup.run_due() or len(recorder.calls) == 2)
        settle(gateway)
        assert counts(gateway, app, message) == {"handedOff": 1}


@pytest.mark.parametrize("error", ACCIDENTS, ids=repr)
def test_hook_on_confirm_is_told_once(tmp_path, error):
    """Once per message and device, after it was stored, whatever another plugin does with it."""
    states = []
    bad = Plugin(on_confirm=raising(error))
    good = Plugin(on_confirm=lambda receipt: states.append(counts(gateway, app, receipt.message)))
    with running(tmp_path, good, bad, RecordingSockets(Status.SENT)) as gateway:
        app = make_app(gateway)
        key = add_device(gateway, app, "t")
        message = send(gateway, app, need_confirm=True)
        settle(gateway)
        for device in (key, key, key + 1):
            gateway.confirm("three", message, device)
            gateway.flush()
        await_that(lambda: good.calls and bad.calls)
    [(_, receipt)] = good.calls
    assert (receipt.message, receipt.device, receipt.transport) == (message, key, "three")
    assert states == [{"confirmed": 1}]


def is_recorded(gateway: Gateway) -> bool:
    """No chain is under way beside the lane: nothing that is pending is leased."""
    row = gateway.read(lambda transaction: transaction.row("SELECT count(due) FROM delivery WHERE state = 0"))
    return row == (0,)


def make_unstarted(folder, *plugins) -> Gateway:
    loaded = load_plugins({}, [])
    for number, plugin in enumerate(plugins):
        loaded.register(plugin, f"p{number}")
    return Gateway(Settings(store=store_settings(folder)), plugins=loaded)


class Page:
    def on_get(self, req, resp):
        resp.text = "a page of a plugin"


def test_hook_register_routes_mounts_resources(tmp_path):
    """A plugin's resource answers at its path; None mounts nothing."""
    gateway = make_unstarted(
        tmp_path,
        Plugin(register_routes=lambda gateway: [("/v1/page", Page())]),
        Plugin(register_routes=nothing),
    )
    app = api.create_app(gateway)
    gateway.start(partial(api.mount, app))
    try:
        assert TestClient(app).simulate_get("/v1/page").text == "a page of a plugin"
    finally:
        gateway.stop()
        gateway.close()


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (
            lambda gateway: [("/v1/page", Page()), ("/msgpush/send", Page())],
            "the route /msgpush/send is taken by the core",
        ),
        (
            lambda gateway: [("/v1/page", Page()), ("no slash", Page())],
            "the route no slash cannot be mounted",
        ),
        (lambda gateway: [("/v1/page", Page()), 42], "register_routes fails: TypeError"),
        (raising(KeyError("x")), "register_routes fails: KeyError"),
    ],
    ids=["taken", "bad path", "nonsense", "raises"],
)
def test_hook_register_routes_that_fails_mounts_nothing(tmp_path, act, reason):
    """A path that is taken, or an accident: the plugin is set aside, and none of its routes is there."""
    gateway = make_unstarted(tmp_path, Plugin(register_routes=act))
    app = api.create_app(gateway)
    gateway.start(partial(api.mount, app))
    try:
        [state] = [one for one in gateway.plugin_states() if one.name == "p0"]
        assert (state.state, state.reason[: len(reason)]) == ("set aside", reason)
        assert TestClient(app).simulate_get("/v1/page").status_code == 404
    finally:
        gateway.stop()
        gateway.close()


def test_hook_startup_comes_before_everything_else(tmp_path):
    """Every plugin has started before the first route is asked for or message offered."""
    order = []
    gateways = []
    plugins = [
        Plugin(
            startup=lambda gateway, number=number: order.append(("startup", number)),
            register_routes=lambda gateway, number=number: order.append(("register_routes", number)),
        )
        for number in (1, 2)
    ]
    for _ in range(2):
        with running(tmp_path, *plugins) as gateway:
            gateways.append(gateway)
    assert [hook for hook, _ in order] == ["startup", "startup", "register_routes", "register_routes"] * 2
    assert [call[1] for call in plugins[0].calls if call[0] == "startup"] == gateways


def test_hook_startup_that_fails_sets_the_plugin_aside(tmp_path):
    """The others start; the reason says what happened, the detail what the plugin said of it."""
    bad, good = Plugin(startup=raising(OSError("no licence"))), Plugin(startup=nothing)
    with running(tmp_path, bad, good) as gateway:
        states = {one.name: (one.state, one.reason, one.detail) for one in gateway.plugin_states()}
        assert states["one"] == ("set aside", "startup fails: OSError", "no licence")
        assert states["two"] == ("active", None, "")


def test_hook_startup_refuses_bad_settings(tmp_path):
    """What a plugin finds wrong with its settings stops the start, then as well as when it is made."""
    gateway = make_unstarted(tmp_path, Plugin(startup=raising(ConfigurationError("file: cannot be read"))))
    try:
        with pytest.raises(ConfigurationError, match="plugin p0: file: cannot be read"):
            gateway.start()
    finally:
        gateway.close()


@pytest.mark.parametrize("error", ACCIDENTS, ids=repr)
def test_hook_shutdown_is_called_for_every_plugin(tmp_path, error):
    """Once each, though one of them fails."""
    bad = Plugin(shutdown=raising(error))
    good = Plugin(shutdown=nothing)
    gateway = make_gateway(tmp_path, good, bad)
    gateway.stop()
    gateway.close()
    assert [plugin.calls for plugin in (good, bad)] == [[("shutdown",)]] * 2
