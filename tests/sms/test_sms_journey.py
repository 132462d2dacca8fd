"""SMS through a real gateway: the ``file`` provider, the status call, the log."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl, urlencode

import pytest
import requests

from harness.needs import present
from harness.waiting import eventually
from onepush_sms.report_formats import address_mac, twilio_signature
from tests.sms import fakes

MASK = "+86 137****1111"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The file that gets a line for each SMS."""
    return tmp_path_factory.mktemp("sms") / "sms.log"


@pytest.fixture(scope="module")
def sms_gateway(start_gateway, place):
    """A gateway with sockets and SMS, the latter after one second."""
    return start_gateway(
        plugins={"load": present("ws", "sms"), "required": present("ws", "sms")},
        log={"level": "debug"},
        sms={"provider": "file", "delay": 1, "daily_budget": 50, "receipt_secret": "s" * 16},
        **{"sms.file": {"path": str(place)}},
    )


@pytest.fixture
def sms_app(sms_gateway):
    """A new app of ``sms_gateway``."""
    yield sms_gateway.create_app()
    sms_gateway.close_apps()


def lines(place, app):
    """The SMS of an app."""
    text = place.read_text() if place.exists() else ""
    return [one for one in map(json.loads, text.splitlines()) if one["app"] == app.id]


def test_journey_reaches_three_devices_by_one_sms(sms_app, place):
    """A person with three devices and one number gets one SMS; the status call shows it, masked."""
    for _ in range(3):
        sms_app.register("ann", mobile="13711111111")
    request = sms_app.send("ann", smsMessage="your code is 1234")
    sms_app.await_counts(request, handedOff=3)
    (line,) = lines(place, sms_app)
    assert (line["number"], line["text"]) == ("+8613711111111", "your code is 1234")
    trail = [line for one in sms_app.deliveries(request) for line in one["trail"]]
    assert {(line["transport"], line["outcome"], line["reason"]) for line in trail} == {("sms", "sent", MASK)}
    assert sms_app.status(request)["transports"]["sms"]["sent"] == 3
    assert place.stat().st_mode & 0o077 == 0


def test_journey_spares_person_who_confirms(sms_app, place):
    """A person who confirms on one device before the wait ends gets no SMS for the other one."""
    device = sms_app.register("ann", mobile="13711111111")
    sms_app.register("ann", mobile="13711111111")
    socket = sms_app.connect(device)
    request = sms_app.send("ann", needConfirm=True, smsMessage="hello", smsDelay=2)
    socket.confirm(socket.frame()["id"])
    sms_app.await_counts(request, confirmed=1, pending=1)
    eventually(
        lambda: [
            one
            for one in sms_app.deliveries(request)
            if one["trail"][-1:] and one["trail"][-1]["outcome"] == "skipped"
        ]
    )
    assert lines(place, sms_app) == []


def test_journey_delivers_frame_after_sms(sms_app, place):
    """With needConfirm the delivery stays pending after the SMS, and the next connect gets the frame."""
    device = sms_app.register("ann", mobile="13711111111")
    request = sms_app.send("ann", needConfirm=True, smsMessage="hello", smsDelay=0)
    sms_app.await_trail(request, device, "sms")
    assert sms_app.counts(request) == {"pending": 1}
    socket = sms_app.connect(device)
    assert socket.frame()["id"] == request
    socket.confirm(request)
    sms_app.await_counts(request, confirmed=1)
    assert len(lines(place, sms_app)) == 1


def test_journey_delivers_frame_after_dropped_sms(sms_app, place):
    """A dropped SMS takes nothing from the device: who connects later gets the message."""
    device = sms_app.register("ann", mobile="+14155552671")
    request = sms_app.send("ann", smsMessage="hello", smsDelay=0)
    assert sms_app.await_trail(request, device, "sms")["reason"] == "dropped: country not allowed"
    assert sms_app.counts(request) == {"pending": 1}
    assert sms_app.connect(device).frame()["id"] == request
    sms_app.await_counts(request, handedOff=1)
    assert lines(place, sms_app) == []


def test_journey_keeps_budget_exactly(sms_app, place):
    """200 concurrent sends against a budget of 50 give exactly 50 SMS; the others say why not."""
    for index in range(200):
        sms_app.register(f"user{index}", mobile=f"137{index:08d}")
    with ThreadPoolExecutor(32) as pool:
        requests_ = list(
            pool.map(lambda index: sms_app.send(f"user{index}", smsMessage="hi", smsDelay=0), range(200))
        )
    eventually(lambda: all(map(sms_app.trail, requests_)), 40, pause=0.5)
    assert len(lines(place, sms_app)) == 50
    told = [sms_app.trail(one)[-1]["reason"] for one in requests_]
    assert told.count("dropped: over daily budget") == 150


def test_journey_refuses_sms_that_cannot_go(sms_app):
    """An SMS that is too long or comes too late is a 400 that names the field."""
    for fields, name in [
        ({"smsMessage": "中" * 300}, "smsMessage"),
        ({"smsMessage": "x", "smsDelay": 60, "duration": 60}, "smsDelay"),
    ]:
        answer = sms_app.try_send("ann", **fields)
        assert answer.status_code == 400
        assert answer.json()["message"].startswith(f"{name}: ")


def test_journey_keeps_number_secret(sms_gateway, sms_app):
    """After all that neither the log, at its most talkative, nor the metrics hold a number or a secret."""
    device = sms_app.register("ann", mobile="13755554444")
    request = sms_app.send("ann", smsMessage="a text to be found", smsDelay=0)
    sms_app.await_counts(request, handedOff=1)
    mac = address_mac("s" * 16, "aliyun", sms_app.id)
    for path in (f"/msgpush/unregister/{device}", f"/sms/receipts/aliyun/{sms_app.id}/{mac}"):
        requests.post(sms_gateway.url + path, json=[], timeout=10)
    told = sms_gateway.log_text() + requests.get(f"{sms_gateway.url}/metrics", timeout=10).text
    assert "onepush_sms_total" in told
    for secret in ("13755554444", "755554444", "13711111111", "a text to be found", device, mac):
        assert secret not in told


@pytest.fixture(scope="module")
def twilio():
    """A local server in place of Twilio."""
    server = fakes.serve(fakes.twilio)
    yield server
    server.close()


@pytest.fixture(scope="module")
def reporting_gateway(start_gateway, twilio):
    """A gateway that sends by Twilio, except for one app, and can be reported to."""
    return start_gateway(
        plugins={"load": present("ws", "sms"), "required": present("ws", "sms")},
        sms={
            "provider": "twilio",
            "delay": 0,
            "public_url": "https://push.example",
            "receipt_secret": "s" * 16,
        },
        **{
            "sms.twilio": {**fakes.TWILIO, "endpoint": twilio.url},
            "sms.aliyun": {"sign_name": "never used"},
            "sms.apps.other": {"provider": "http"},
            "sms.apps.other.http": {"url": twilio.url},
        },
    )


def chunks(body):
    """A body whose length is not told beforehand."""
    yield body[:5]
    yield body[5:]


@pytest.mark.parametrize("wrap", [lambda body: body, chunks], ids=["whole", "chunked"])
def test_journey_shows_report_of_twilio(reporting_gateway, twilio, wrap):
    """The callback that Twilio was given takes its signed report, which then stands in the trail."""
    app = reporting_gateway.create_app()
    device = app.register("ann", mobile="13711111111")
    request = app.send("ann", smsMessage="hello")
    app.await_counts(request, handedOff=1)
    form = dict(parse_qsl(twilio.requests[-1].body.decode()))
    url = form["StatusCallback"]
    report = {"MessageSid": "SM" + "1" * 32, "MessageStatus": "delivered"}
    headers = {"X-Twilio-Signature": twilio_signature(fakes.TWILIO["auth_token"], url, report.items())}
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    address = url.replace("https://push.example", reporting_gateway.url)
    answer = requests.post(address, data=wrap(urlencode(report).encode()), headers=headers, timeout=10)
    assert answer.status_code == 204
    assert app.delivery(request, device)["trail"][-1]["outcome"] == "delivered"
    app.close()


def test_journey_has_no_address_without_provider(reporting_gateway):
    """An address of a provider that no app uses is not there, even with the right MAC."""
    path = f"/sms/receipts/aliyun/app/{address_mac('s' * 16, 'aliyun', 'app')}"
    answer = requests.post(reporting_gateway.url + path, json=[], timeout=10)
    assert answer.status_code == 404
