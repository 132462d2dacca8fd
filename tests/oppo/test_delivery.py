"""Messages reach phones whose app is asleep, a thousand to a call, and nobody gets them twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from harness.needs import present
from tests.oppo.driver import new_registration_id, reasons, register_phone


def notifications(emulator, request):
    """What phones show of a message, by target."""
    return {one["target"]: one["notification"] for one in emulator.arrivals(request)}


def test_offline_phone_gets_notification(oppo_app, emulator):
    """A send to an offline OPPO device arrives as a notification and is handed off."""
    _, token = register_phone(oppo_app, "ann")
    request = oppo_app.send("ann", alert="dinner is ready", title="Kitchen", duration=3600, extra={"dish": 7})
    oppo_app.await_counts(request, handedOff=1)
    notification = notifications(emulator, request)[token]
    assert notification.pop("call_back_url").startswith(oppo_app.url)
    assert notification.pop("call_back_parameter").startswith(request)
    assert notification == {
        "app_message_id": request,
        "title": "Kitchen",
        "content": "dinner is ready",
        "style": 1,
        "off_line": True,
        "off_line_ttl": 3600,
        "action_parameters": '{"dish":7}',
    }
    assert [call["path"] for call in emulator.pushes(code=0)] == ["/server/v1/message/notification/unicast"]


def test_message_without_title_shows_app_name(oppo_app, emulator):
    """The app's name is the title where the sender gives none."""
    _, token = register_phone(oppo_app, "ann")
    request = oppo_app.send("ann")
    oppo_app.await_counts(request, handedOff=1)
    assert notifications(emulator, request)[token]["title"] == "test"


def test_many_offline_phones_share_calls(oppo_app, emulator):
    """2,500 offline OPPO devices take three calls, of 1000, 1000 and 500."""
    tokens = {new_registration_id() for _ in range(2500)}
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda token: register_phone(oppo_app, "crowd", token=token), tokens))
    request = oppo_app.send("ALL")
    oppo_app.await_counts(request, patience=30, handedOff=2500)
    calls = [(call["path"].rpartition("/")[2], call["items"]) for call in emulator.pushes(code=0)]
    assert sorted(calls) == [("unicast_batch", 500), ("unicast_batch", 1000), ("unicast_batch", 1000)]
    arrivals = emulator.arrivals(request)
    assert {one["target"] for one in arrivals} == tokens
    assert {one["times"] for one in arrivals} == {1}


def test_online_phone_gets_frame_only(oppo_app, emulator):
    """A device with an open socket gets the frame, and OPPO hears nothing of it."""
    device, _ = register_phone(oppo_app, "ann")
    with oppo_app.connect(device) as socket:
        request = oppo_app.send("ann")
        assert socket.frame()["id"] == request
        oppo_app.await_counts(request, handedOff=1)
    assert emulator.ask("calls") == []


def test_accepted_message_brings_no_frame_later(oppo_app, emulator):
    """What OPPO accepted without needConfirm is done: no frame at the next connect."""
    device, _ = register_phone(oppo_app, "ann")
    request = oppo_app.send("ann")
    oppo_app.await_counts(request, handedOff=1)
    with oppo_app.connect(device) as socket:
        socket.heartbeat()
        socket.no_frame()


def test_accepted_message_with_confirm_waits_for_device(oppo_app, emulator):
    """With needConfirm OPPO's acceptance ends nothing: the frame waits, and OPPO is not asked again."""
    device, _ = register_phone(oppo_app, "ann")
    request = oppo_app.send("ann", needConfirm=True)
    assert oppo_app.await_trail(request, device, "oppo")["outcome"] == "sent"
    oppo_app.await_counts(request, pending=1)
    with oppo_app.connect(device) as socket:
        assert socket.frame()["id"] == request
        socket.confirm(request)
        oppo_app.await_counts(request, confirmed=1)
    assert [one["times"] for one in emulator.arrivals(request)] == [1]


def test_silent_socket_falls_back_to_oppo(start_oppo_gateway, emulator):
    """A device that got the frame and does not confirm it for ten seconds is offered to OPPO."""
    gateway = start_oppo_gateway()
    app = gateway.create_app()
    device, token = register_phone(app, "ann")
    with app.connect(device) as socket:
        request = app.send("ann", needConfirm=True)
        assert socket.frame()["id"] == request
        assert emulator.arrivals(request) == []
        assert app.await_trail(request, device, "oppo", patience=20)["outcome"] == "sent"
    (arrival,) = emulator.arrivals(request)
    assert arrival["target"] == token
    accepted_at = datetime.fromisoformat(app.status(request)["acceptedAt"]).timestamp()
    assert 7.5 <= arrival["at"] - accepted_at <= 13
    gateway.stop()


def test_command_is_no_notification(oppo_app, emulator):
    """CMD messages are for the app and are never shown."""
    register_phone(oppo_app, "ann")
    request = oppo_app.send("ann", pushMsgType="CMD", duration=0)
    oppo_app.await_counts(request, expired=1)
    assert emulator.ask("calls") == []


@pytest.mark.parametrize("vendor", [None, "OTHER"])
def test_device_of_nobody_or_another_vendor_is_left(oppo_app, emulator, vendor):
    """Only devices that registered with vendor OPPO go to OPPO."""
    oppo_app.register("ann", vendor=vendor)
    request = oppo_app.send("ann", duration=0)
    oppo_app.await_counts(request, expired=1)
    assert emulator.ask("calls") == []


def test_options_reach_notification(oppo_app, emulator):
    """What a send says in options.oppo is on the wire."""
    _, token = register_phone(oppo_app, "ann")
    chosen = {"channel_id": "orders", "category": "ORDER", "notify_level": 2, "click_action_type": 4}
    chosen |= {"click_action_activity": "com.example.Main", "off_line_ttl": 60, "show_ttl": 3600}
    request = oppo_app.send("ann", options={"oppo": chosen})
    oppo_app.await_counts(request, handedOff=1)
    assert notifications(emulator, request)[token].items() >= chosen.items()


def test_message_goes_before_defaults(start_oppo_gateway, emulator):
    """Defaults of the settings fill what neither the send's options nor the message say."""
    gateway = start_oppo_gateway(
        **{"notification.title": "D", "notification.channel_id": "all", "notification.notify_id": 1}
    )
    app = gateway.create_app()
    _, token = register_phone(app, "ann")
    told = app.send("ann", title="T", options={"oppo": {"notify_id": 2}})
    untold = app.send("ann")
    for request, expected in [
        (told, {"title": "T", "channel_id": "all", "notify_id": 2}),
        (untold, {"title": "D", "channel_id": "all", "notify_id": 1}),
    ]:
        app.await_counts(request, handedOff=1)
        assert notifications(emulator, request)[token].items() >= expected.items()
    gateway.stop()


def test_unfit_option_is_refused_at_send(oppo_app, emulator):
    """What OPPO cannot express is a 400 with the field's name, and nothing is stored."""
    for chosen, field in [({"style": 3}, "style"), ({"click_action_type": 1}, "click_action_activity")]:
        answer = oppo_app.try_send("ann", options={"oppo": chosen})
        assert answer.status_code == 400
        assert f"options.oppo.{field}" in answer.json()["message"]


def test_what_others_can_carry_is_not_refused(oppo_app, emulator):
    """A long alert, a long title and a huge extra go out cut or left out, with a line in the trail."""
    device, token = register_phone(oppo_app, "ann")
    emulator.trouble("500")
    request = oppo_app.send("ann", alert="長" * 500, title="t" * 90, extra=["x" * 4001])
    oppo_app.await_counts(request, handedOff=1)
    notification = notifications(emulator, request)[token]
    assert notification["content"] == "長" * 127 + "…"
    assert (notification["style"], len(notification["title"])) == (2, 50)
    assert "action_parameters" not in notification
    lines = reasons(oppo_app, request, device)
    assert sorted(lines, key=str) == [
        ("failed", "http 500"),
        ("note", "extra left out: over 4000 characters"),
        ("sent", None),
    ]


def test_aliases_are_addressed_once(start_oppo_gateway, emulator):
    """With target = "alias" a person's phones share one target, without a receipt address."""
    gateway = start_oppo_gateway(target="alias", receipt_secret="a secret of some length")
    app = gateway.create_app()
    for alias in ("ann", "ann", "bob"):
        register_phone(app, alias)
    _, token = register_phone(app, "odd;alias")
    request = app.send("ann", "bob", "odd;alias")
    app.await_counts(request, handedOff=4)
    arrivals = emulator.arrivals(request)
    assert sorted((one["target"], one["targetType"]) for one in arrivals) == sorted(
        [("ann", 5), ("bob", 5), (token, 2)]
    )
    assert {one["target"] for one in arrivals if "call_back_url" in one["notification"]} == {token}
    gateway.stop()


def test_region_of_registration_id_chooses_host(hasty_oppo_app, emulator):
    """Devices of other regions go to the overseas host, token and all."""
    _, at_home = register_phone(hasty_oppo_app, "ann")
    abroad, _ = register_phone(hasty_oppo_app, "ann", token=new_registration_id("US_"))
    request = hasty_oppo_app.send("ann")
    hasty_oppo_app.await_counts(request, handedOff=1, pending=1)
    assert [one["target"] for one in emulator.arrivals(request)] == [at_home]
    assert reasons(hasty_oppo_app, request, abroad) == [("failed", "code 20 invalid method")]
    assert "/overseas/server/v1/auth" in [call["path"] for call in emulator.ask("calls")]


def test_idle_plugin_leaves_gateway_alone(start_gateway):
    """Without credentials the gateway starts, the plugin says why it is idle, messages go elsewhere."""
    gateway = start_gateway(plugins={"load": present("ws", "oppo"), "required": present("ws", "oppo")})
    app = gateway.create_app()
    device, _ = register_phone(app, "ann")
    request = app.send("ann", options={"oppo": {"channel_id": "x"}})
    app.await_counts(request, pending=1)
    with app.connect(device) as socket:
        assert socket.frame()["id"] == request


def test_secrets_stay_out_of_log_and_metrics(oppo_gateway, oppo_app, emulator):
    """Neither the log nor /metrics ever holds a secret, a registration id or a text."""
    _, token = register_phone(oppo_app, "a-very-special-alias")
    emulator.trouble("500")
    request = oppo_app.send("a-very-special-alias", alert="a very special text")
    oppo_app.await_counts(request, handedOff=1)
    told = oppo_gateway.log_text() + oppo_app.get("/../metrics").text
    for secret in (
        token,
        "test-master-secret",
        "test-app-key",
        "a very special text",
        "a-very-special-alias",
    ):
        assert secret not in told
    assert 'onepush_oppo_calls_total{call="unicast",code="http_500"}' in told
