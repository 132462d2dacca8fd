"""A third party's plugin that raises, hangs or talks nonsense hurts nobody but itself (F44, F45)."""

import threading
import time

import pytest
import requests

from harness.waiting import PATIENCE, eventually

pytestmark = pytest.mark.once  # plugins in trouble, not the store

SOON = 1.0
"""Seconds within which those who have no part in the trouble are served."""


def options(**behaviours):
    """What the test's plugin does with this message, hook by hook."""
    return {"options": {"trouble": behaviours}}


def check_others(gateway):
    """Another app's device, on another transport, is served at once, and so is REST."""
    app = gateway.create_app("bystander")
    with app.connect(app.register("ada")) as connection:
        began = time.monotonic()
        request_id = app.send("ada", needConfirm=True)
        assert connection.frame()["id"] == request_id
        assert time.monotonic() - began < SOON
        connection.confirm(request_id)
        app.await_counts(request_id, confirmed=1)
    assert gateway.is_ready()


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("raise", "plugin error: RuntimeError"),
        ("nonsense", "plugin error: TypeError"),
        ("hang", "deadline exceeded"),
    ],
)
def test_deliver_gone_wrong_leaves_other_transports(troubled_gateway, troubled_app, behaviour, reason):
    """The device online gets the frame, the one offline gets it later, and the trail says what went wrong."""
    here, there = troubled_app.register("ada"), troubled_app.register("ada")
    with troubled_app.connect(here) as connection:
        request_id = troubled_app.send("ada", duration=4, **options(deliver=behaviour))
        assert connection.frame()["id"] == request_id
        check_others(troubled_gateway)
        line = troubled_app.await_trail(request_id, there, "trouble")
        assert (line["outcome"], line["reason"]) == ("failed", reason)
    with troubled_app.connect(there) as connection:
        assert connection.frame()["id"] == request_id
    troubled_app.await_counts(request_id, handedOff=2)
    heal(troubled_app)


def heal(app):
    """One call that goes well, so that the breaker counts anew."""
    app.register("healer")
    app.await_counts(app.send("healer", **options(deliver="sent")), handedOff=1)


def test_deliver_that_fails_halfway_counts_so_far(troubled_app):
    """What a generator yielded before it raised counts; the rest is tried again."""
    devices = [troubled_app.register("ada") for _ in range(3)]
    request_id = troubled_app.send("ada", duration=4, **options(deliver="raise late"))
    lines = [troubled_app.await_trail(request_id, device, "trouble") for device in devices]
    assert [line["outcome"] for line in lines] == ["sent", "failed", "failed"]
    troubled_app.await_counts(request_id, handedOff=1, pending=2)
    heal(troubled_app)


def test_deliver_speaks_for_its_own_devices_only(troubled_app):
    """Outcomes for devices that were not offered change nothing."""
    device = troubled_app.register("ada")
    request_id = troubled_app.send("ada", **options(deliver="foreign"))
    with troubled_app.connect(device) as connection:
        assert connection.frame()["id"] == request_id
    troubled_app.await_counts(request_id, handedOff=1)


@pytest.mark.parametrize("hook", ["takes", "check_send", "check_back"])
@pytest.mark.parametrize("behaviour", ["raise", "nonsense"])
def test_small_hook_gone_wrong_is_left_out(troubled_gateway, troubled_app, hook, behaviour):
    """The message goes its way as if the plugin had said nothing, and so do those behind it."""
    device = troubled_app.register("ada")
    with troubled_app.connect(device) as connection:
        request_id = troubled_app.send("ada", needConfirm=True, **options(**{hook: behaviour}))
        assert connection.frame()["id"] == request_id
        connection.confirm(request_id)
        troubled_app.await_counts(request_id, confirmed=1)
        assert troubled_app.send("ada") == connection.frame()["id"]
    check_others(troubled_gateway)


@pytest.mark.parametrize("hook", ["check_send", "check_back"])
def test_small_hook_that_hangs_holds_up_nobody(troubled_gateway, troubled_app, hook):
    """A hook that hangs costs its own message some time; others are served at once, then it goes on."""
    device = troubled_app.register("ada")
    answers = []

    def send():
        answers.append(troubled_app.try_send("ada", needConfirm=True, **options(**{hook: "hang"})))

    sender = threading.Thread(target=send)
    sender.start()
    check_others(troubled_gateway)
    sender.join(9)
    assert [answer.status_code for answer in answers] in ([200], [503])
    with troubled_app.connect(device) as connection:
        request_id = troubled_app.send("ada", alert="next")
        assert request_id in [frame["id"] for frame in connection.frames(1 + (answers[0].status_code == 200))]


def test_plugin_that_exits_does_not_end_the_worker(start_gateway):
    """sys.exit in a plugin, as command-line libraries do it, is one more way to fail: the worker goes on."""
    gateway = start_gateway(plugins={"load": ["ws", "trouble"]})
    worker = gateway.worker()
    app = gateway.create_app()
    with app.connect(app.register("ada")) as connection:
        app.register("ada")
        for hook in ("check_send", "check_back", "takes", "deliver"):
            request_id = app.send("ada", **options(**{hook: "exit"}))
            assert connection.frame()["id"] == request_id
    check_others(gateway)
    assert gateway.worker() == worker


def test_on_confirm_that_raises_loses_no_confirm(troubled_gateway, troubled_app):
    """The confirm is in the ledger before the hook is called."""
    with troubled_app.connect(troubled_app.register("ada")) as connection:
        request_id = troubled_app.send("ada", needConfirm=True)
        connection.confirm(connection.frame()["id"])
        troubled_app.await_counts(request_id, confirmed=1)
    eventually(lambda: '"hook": "on_confirm"' in troubled_gateway.log_text())


@pytest.mark.parametrize("behaviour", ["raise", "nonsense"])
def test_audience_gone_wrong_refuses_its_own_kind(troubled_gateway, troubled_app, behaviour):
    """A resolver that fails on its own kind: an error soon for that send, and nothing else is held up."""
    device = troubled_app.register("ada")
    began = time.monotonic()
    answer = troubled_app.try_send(behaviour, audienceType="TROUBLE")
    assert answer.status_code >= 400
    assert time.monotonic() - began < SOON
    check_others(troubled_gateway)
    with troubled_app.connect(device) as connection:
        assert troubled_app.send("ada") == connection.frame()["id"]


def test_audience_that_fails_halfway_holds_up_nobody(troubled_gateway, troubled_app):
    """An audience that raises in the middle: the messages behind it, of the same app, are delivered."""
    device = troubled_app.register("ada")
    troubled_app.send("raise late", audienceType="TROUBLE")
    with troubled_app.connect(device) as connection:
        assert troubled_app.send("ada") == connection.frame()["id"]
    check_others(troubled_gateway)


def test_audience_that_hangs_is_given_up(troubled_gateway, troubled_app):
    """A resolver that hangs: 503 after its deadline, and nobody else waits."""
    answers = []
    sender = threading.Thread(
        target=lambda: answers.append(troubled_app.try_send("hang", audienceType="TROUBLE"))
    )
    sender.start()
    check_others(troubled_gateway)
    sender.join(9)
    assert [answer.status_code for answer in answers] == [503]


@pytest.mark.parametrize("behaviour", ["raise", "nonsense", "hang"])
def test_transport_in_the_lane_gone_wrong_holds_up_nobody(troubled_gateway, troubled_app, behaviour):
    """A transport that is asked in the lane has a deadline too: the messages behind it follow."""
    here, there = troubled_app.register("ada"), troubled_app.register("bob")
    with troubled_app.connect(here) as connection:
        stuck = troubled_app.send("bob", options={"trouble_first": {"deliver": behaviour}})
        request_id = troubled_app.send("ada")
        check_others(troubled_gateway)
        assert connection.frame()["id"] == request_id
    assert troubled_app.await_trail(stuck, there, "trouble_first")["outcome"] == "failed"
    with troubled_app.connect(there) as connection:
        assert connection.frame()["id"] == stuck


def test_resource_that_raises_tells_nothing(troubled_gateway):
    """A plugin's resource that raises: 500 with our code, and neither answer nor log shows the text."""
    answer = requests.get(f"{troubled_gateway.url}/trouble", timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (500, 50000)
    assert "the-secret-of-the-plugin" not in answer.text + troubled_gateway.log_text()


def test_breaker_opens_for_one_transport(start_gateway):
    """After five failures in a row a transport is left alone for a while; the trail says so, others go on."""
    gateway = start_gateway(plugins={"load": ["ws", "trouble"]})
    app = gateway.create_app()
    device = app.register("ada")
    for _ in range(5):
        app.await_trail(app.send("ada", **options(deliver="raise")), device, "trouble")
    last = app.send("ada", **options(deliver="sent"))
    assert app.await_trail(last, device, "trouble")["reason"] == "breaker open"
    check_others(gateway)
    with app.connect(device) as connection:
        assert last in [frame["id"] for frame in connection.frames(6)]


@pytest.fixture(scope="module")
def hostile_gateway(start_gateway):
    """A gateway with a plugin that fails for every audience, and one that does not even load."""
    return start_gateway(
        plugins={"load": ["ws", "trouble", "trouble_first"], "required": ["ws"]},
        trouble={"resolve_audience": "raise"},
        trouble_first={"create": "raise"},
    )


def states(gateway):
    """State and reason of each plugin, as readiness tells them."""
    plugins = requests.get(f"{gateway.url}/health/ready", timeout=10).json()["plugins"]
    return {name: (one["state"], one.get("reason")) for name, one in plugins.items()}


def test_plugin_that_does_not_load_is_set_aside(hostile_gateway):
    """A plugin that fails to load does not stop the others; readiness names it and says why."""
    assert states(hostile_gateway)["ws"] == ("active", None)
    assert states(hostile_gateway)["trouble_first"] == ("set aside", "cannot be made: RuntimeError")


def test_plugin_for_another_version_is_set_aside(start_gateway):
    """It is not imported; readiness, metric, log and a refusal tell the version that it wants."""
    gateway = start_gateway(plugins={"load": ["ws", "future"], "required": ["ws"]})
    reason = "wants onepush API >=7.1,<9; this onepush has 1.0"
    assert states(gateway)["future"] == ("set aside", reason)
    assert gateway.metric('onepush_plugin_state{plugin="future",state="set aside"}') == 1
    assert reason in gateway.log_text()
    check_others(gateway)
    answer = gateway.create_app().try_send("ada", options={"future": {}})
    assert (answer.status_code, answer.json()["code"]) == (400, 40005)
    assert answer.json()["message"] == f"options: plugin 'future' is set aside: {reason}"
    assert "imported" not in gateway.log_text()
    gateway.stop()


def test_audience_that_fails_for_every_kind_is_passed_over(hostile_gateway):
    """A resolver that raises for every selector: the core's own still resolves what it knows."""
    check_others(hostile_gateway)


def test_authentication_that_fails_refuses_and_nothing_else(start_gateway):
    """An authenticator that raises lets nobody pass whom it might have refused; everything else goes on."""
    gateway = start_gateway(plugins={"load": ["ws", "trouble"]}, trouble={"authenticate_app": "raise"})
    app = gateway.create_app()
    with app.connect(app.register("ada")) as connection:
        answer = app.try_send("ada")
        assert (answer.status_code, answer.json()["code"]) == (503, 50304)
        connection.heartbeat()
        assert connection.kept() == []
    assert gateway.is_ready()
    gateway.stop()


@pytest.mark.parametrize(
    ("hook", "behaviour"),
    [("startup", "raise"), ("startup", "hang"), ("register_routes", "raise"), ("register_routes", "exit")],
)
def test_plugin_that_does_not_start_is_set_aside(start_gateway, hook, behaviour):
    """An error, an exit or a hang in startup or register_routes costs that plugin only."""
    gateway = start_gateway(plugins={"load": ["ws", "trouble"]}, trouble={hook: behaviour})
    state, reason = states(gateway)["trouble"]
    assert (state, reason.split()[0]) == ("set aside", hook)
    check_others(gateway)
    assert requests.get(f"{gateway.url}/trouble", timeout=10).status_code == 404
    answer = gateway.create_app().try_send("ada", **options(deliver="sent"))
    assert (answer.status_code, answer.json()["code"]) == (400, 40005)
    gateway.stop()


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("trouble", {"create": "raise"}),
        ("trouble", {"startup": "raise"}),
        ("trouble", {"startup": "hang"}),
        ("trouble", {"register_routes": "exit"}),
        ("trouble", {"path": "/msgpush/send"}),
        ("future", {}),
    ],
    ids=lambda part: part if isinstance(part, str) else "-".join(part.values()),
)
def test_required_plugin_that_fails_stops_the_start(prepare_gateway, name, table):
    """Without one that is required there is no gateway: non-zero, and one line that names it."""
    plugins = {"load": ["ws", name], "required": [name]}
    gateway = prepare_gateway(plugins=plugins, **{name: table}).spawn()
    assert gateway.process.wait(PATIENCE) != 0
    [line] = [line for line in gateway.log_text().splitlines() if not line.startswith("{")]
    assert line.startswith(f"onepush: plugin {name}: ")


@pytest.mark.parametrize("path", ["/msgpush/send", "/health/ready", "/msgpush.ws"])
def test_plugin_may_not_take_a_path(start_gateway, path):
    """One that wants a path already taken is set aside; the path stays whose it was."""
    gateway = start_gateway(plugins={"load": ["ws", "trouble"]}, trouble={"path": path})
    owner = "ws" if path == "/msgpush.ws" else "the core"
    assert states(gateway)["trouble"] == ("set aside", f"the route {path} is taken by {owner}")
    check_others(gateway)
    assert requests.get(f"{gateway.url}/trouble", timeout=10).status_code == 404
    gateway.stop()
