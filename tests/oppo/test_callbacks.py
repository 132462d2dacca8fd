"""OPPO's receipts: early, late, twice, forged, for several devices, for messages nobody knows."""

from __future__ import annotations

import pytest
import requests

from harness.needs import present
from harness.waiting import eventually
from tests.oppo.driver import PATIENCE, new_registration_id, reasons, register_phone


def send_and_find(app, emulator, *audiences, **fields):
    """Send to offline phones; the request id and what arrived, once OPPO's acceptance is recorded."""
    request = app.send(*audiences, **fields)
    arrivals = eventually(lambda: emulator.arrivals(request))
    for device in (one["deviceId"] for one in app.deliveries(request)):
        app.await_trail(request, device, "oppo")
    return request, arrivals


def receipt_of(arrival, event="push_arrive", **changes):
    """A receipt as OPPO posts it."""
    return {
        "messageId": arrival["messageId"],
        "appId": "oppo-app",
        "taskId": arrival["messageId"],
        "registrationIds": arrival["target"],
        "eventTime": "1800000000000",
        "param": arrival["notification"]["call_back_parameter"],
        "eventType": event,
        **changes,
    }


def post(arrival, receipts, url=None):
    """Post receipts to the address that a notification carried; the HTTP status."""
    url = url or arrival["notification"]["call_back_url"]
    return requests.post(url, json=receipts, timeout=PATIENCE).status_code


@pytest.fixture
def phone(oppo_app):
    """An OPPO phone of ann: (device id, registration id)."""
    return register_phone(oppo_app, "ann")


def test_arrival_confirms_message(oppo_app, emulator, phone):
    """push_arrive confirms a message without needConfirm; the 200 means that it is recorded."""
    request, (arrival,) = send_and_find(oppo_app, emulator, "ann")
    assert oppo_app.counts(request) == {"handedOff": 1}
    assert post(arrival, [receipt_of(arrival)]) == 200
    assert oppo_app.counts(request) == {"confirmed": 1}


def test_repeated_arrival_changes_nothing(oppo_app, emulator, phone):
    """The same receipt once more leaves counts and trail as they are."""
    for need_confirm in (False, True):
        request, (arrival,) = send_and_find(oppo_app, emulator, "ann", needConfirm=need_confirm)
        assert post(arrival, [receipt_of(arrival)] * 2) == 200
        before = (oppo_app.status(request), oppo_app.deliveries(request))
        assert post(arrival, [receipt_of(arrival)]) == 200
        assert (oppo_app.status(request), oppo_app.deliveries(request)) == before


def test_early_arrival_counts(oppo_app, emulator, phone):
    """A receipt that comes before the answer to its call confirms, and the answer changes nothing."""
    emulator.tell("options", {"arrive_after": 0.0, "latency": 0.7})
    request = oppo_app.send("ann")
    oppo_app.await_counts(request, confirmed=1)
    assert reasons(oppo_app, request, phone[0])[0] == ("confirmed", None)
    eventually(lambda: len(reasons(oppo_app, request, phone[0])) == 2)
    assert oppo_app.counts(request) == {"confirmed": 1}


def test_arrival_with_confirm_is_a_line_in_the_trail(oppo_app, emulator, phone):
    """With needConfirm the vendor's receipt is recorded and only the device's own confirm counts."""
    request, (arrival,) = send_and_find(oppo_app, emulator, "ann", needConfirm=True)
    assert post(arrival, [receipt_of(arrival)]) == 200
    assert oppo_app.counts(request) == {"pending": 1}
    assert ("arrived", "push_arrive") in reasons(oppo_app, request, phone[0])
    with oppo_app.connect(phone[0]) as socket:
        socket.frame()
        socket.confirm(request)
        oppo_app.await_counts(request, confirmed=1)


def test_late_arrival_changes_nothing(oppo_app, emulator, phone):
    """A receipt for a message that has ended is taken and changes nothing."""
    request, (arrival,) = send_and_find(oppo_app, emulator, "ann", needConfirm=True)
    oppo_app.cancel(request)
    assert post(arrival, [receipt_of(arrival)]) == 200
    assert oppo_app.counts(request) == {"cancelled": 1}


def test_forged_receipt_is_refused(oppo_gateway, oppo_app, emulator, phone):
    """Without the right MAC there is no such address, and another app's address is good for that app only."""
    request, (arrival,) = send_and_find(oppo_app, emulator, "ann")
    url = arrival["notification"]["call_back_url"]
    stem, _, mac = url.rpartition("/")
    forged = ("0" if mac[0] != "0" else "1") + mac[1:]
    for bad in (forged, mac.upper() + "x", mac[:-1], "é"):
        assert post(arrival, [receipt_of(arrival)], f"{stem}/{bad}") == 404
    other = oppo_gateway.create_app()
    register_phone(other, "bob")
    _, (foreign,) = send_and_find(other, emulator, "bob")
    assert post(foreign, [receipt_of(arrival)]) == 200
    assert post(foreign, [receipt_of(foreign, param=arrival["notification"]["call_back_parameter"])]) == 200
    assert oppo_app.counts(request) == {"handedOff": 1}


def test_unknown_receipt_is_counted(oppo_gateway, oppo_app, emulator, phone):
    """Messages, devices and events that nobody knows are answered 200 and counted."""
    _, (arrival,) = send_and_find(oppo_app, emulator, "ann")
    before = [oppo_gateway.metric(name) for name in UNKNOWN]
    receipts = [
        receipt_of(arrival, param="nothing.1"),
        receipt_of(arrival, registrationIds=new_registration_id()),
        receipt_of(arrival, event="clicked"),
    ]
    assert post(arrival, receipts) == 200
    assert [oppo_gateway.metric(name) - old for name, old in zip(UNKNOWN, before, strict=True)] == [1, 1, 1]


UNKNOWN = (
    'onepush_oppo_receipts_total{event="push_arrive",result="unknown_message"}',
    'onepush_oppo_receipts_total{event="push_arrive",result="unknown_device"}',
    'onepush_oppo_receipts_total{event="other",result="unknown_event"}',
)


def test_several_ids_in_one_receipt_all_count(oppo_app, emulator):
    """registrationIds may name several devices, with and without blanks."""
    for _ in range(3):
        register_phone(oppo_app, "ann")
    request, arrivals = send_and_find(oppo_app, emulator, "ann")
    ids = "{}, {},{}".format(*(one["target"] for one in arrivals))
    assert post(arrivals[0], [receipt_of(arrivals[0], registrationIds=ids)]) == 200
    assert oppo_app.counts(request) == {"confirmed": 3}


def test_invalid_id_is_forgotten(oppo_app, emulator, phone):
    """regid_invalid makes later sends skip the device."""
    request, (arrival,) = send_and_find(oppo_app, emulator, "ann", needConfirm=True)
    assert post(arrival, [receipt_of(arrival, "regid_invalid")] * 2) == 200
    assert reasons(oppo_app, request, phone[0]) == [("sent", None), ("failed", "regid_invalid")]
    later = oppo_app.send("ann", duration=0)
    oppo_app.await_counts(later, expired=1)
    assert emulator.arrivals(later) == []


def test_daily_limit_is_recorded(oppo_app, emulator, phone):
    """user_daily_limit is a failure in the trail; the token stays, the message waits for the device."""
    emulator.tell("options", {"device_quota": 1})
    oppo_app.await_counts(oppo_app.send("ann"), handedOff=1)
    request = oppo_app.send("ann", needConfirm=True)
    eventually(lambda: ("failed", "user_daily_limit") in reasons(oppo_app, request, phone[0]))
    assert eventually(lambda: emulator.ask("posts"))[-1] == {
        "status": 200,
        "receipts": 1,
        "event": "user_daily_limit",
    }
    assert oppo_app.counts(request) == {"pending": 1}
    emulator.tell("options", {"device_quota": 0})
    oppo_app.await_counts(oppo_app.send("ann"), handedOff=1)


def test_daily_limit_gives_next_transport_its_turn(start_oppo_gateway, emulator):
    """A device that OPPO has no room for today is offered to the others at once."""
    plugins = {"load": [*present("ws", "oppo"), "trouble"]}
    gateway = start_oppo_gateway(plugins=plugins, receipt_secret="a receipt secret of this test")
    app = gateway.create_app()
    device, _ = register_phone(app, "ann")
    emulator.tell("options", {"device_quota": 1})
    app.await_counts(app.send("ann"), handedOff=1)
    request = app.send("ann", needConfirm=True, options={"trouble": {"deliver": "fail twice"}})

    def transports():
        """Who has sent it, in order."""
        trail = app.delivery(request, device)["trail"]
        return [line["transport"] for line in trail if line["outcome"] == "sent"]

    app.await_trail(request, device, "oppo")
    # Sooner than check_back would bring the device up again.
    eventually(lambda: transports() == ["oppo", "trouble"], patience=7)
    gateway.stop()


@pytest.mark.parametrize(
    ("body", "status"),
    [("[]", 200), ("", 400), ("{}", 400), ("[1]", 400), ("[{}]", 400), ("x" * (1 << 20), 400)],
)
def test_bad_body_is_refused(oppo_app, emulator, phone, body, status):
    """What is no list of receipts is a 400."""
    _, (arrival,) = send_and_find(oppo_app, emulator, "ann")
    url = arrival["notification"]["call_back_url"]
    assert requests.post(url, data=body, timeout=PATIENCE).status_code == status


def test_long_list_is_refused(oppo_app, emulator, phone):
    """1000 receipts are taken at once, more are not, nor is a body over a megabyte."""
    request, (arrival,) = send_and_find(oppo_app, emulator, "ann")
    assert post(arrival, [receipt_of(arrival)] * 1001) == 413
    assert oppo_app.counts(request) == {"handedOff": 1}
    url = arrival["notification"]["call_back_url"]
    assert requests.post(url, data="x" * ((1 << 20) + 1), timeout=PATIENCE).status_code == 413
    assert post(arrival, [receipt_of(arrival)] * 1000) == 200
    assert oppo_app.counts(request) == {"confirmed": 1}


def test_receipts_without_secret_are_off(hasty_oppo_app, emulator):
    """Without a receipt_secret there is no address, and none is told to OPPO."""
    register_phone(hasty_oppo_app, "ann")
    request = hasty_oppo_app.send("ann")
    hasty_oppo_app.await_counts(request, handedOff=1)
    assert "call_back_url" not in emulator.arrivals(request)[0]["notification"]
    answer = requests.post(
        f"{hasty_oppo_app.url}/oppo/receipts/{hasty_oppo_app.id}/{'0' * 32}", json=[], timeout=PATIENCE
    )
    assert answer.status_code == 404


def test_dead_ids_of_feedback_are_forgotten(start_oppo_gateway, emulator):
    """The list of dead ids is fetched every feedback_interval, and its devices are skipped from then on."""
    gateway = start_oppo_gateway(feedback_interval=0.2)
    app = gateway.create_app()
    device, token = register_phone(app, "ann")
    emulator.tell("invalid", [new_registration_id(), token])
    eventually(lambda: '"forgotten": 1' in gateway.log_text())
    request = app.send("ann", duration=0)
    app.await_counts(request, expired=1)
    assert reasons(app, request, device) == []
    gateway.stop()
