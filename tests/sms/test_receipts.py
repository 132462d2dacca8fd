"""Delivery reports: authenticated, idempotent, and in the trail when the provider has its answer."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import falcon
import falcon.testing
import pytest

from harness.waiting import eventually
from onepush_core.api.errors import install
from onepush_sms.metrics import Metrics
from onepush_sms.objects import Answer, Report, Verdict
from onepush_sms.receipts import report_address, routes
from onepush_sms.report_formats import (
    InvalidReport,
    read_aliyun,
    read_tencent,
    read_twilio,
    twilio_signature,
)
from tests.sms.doubles import MASK, NUMBER

SECRET = "a secret of receipts"
TABLE = {
    "delay": 0,
    "public_url": "https://push.example/gate/",
    "receipt_secret": SECRET,
    "twilio": {"auth_token": "12345"},
}


class Desk:
    """The report routes of a bench whose provider bears a name."""

    def __init__(self, make_bench, name):
        self.bench = make_bench(TABLE)
        self.bench.provider.name = name
        self.name = name
        self.settings = self.bench.plugin._settings.gateway
        self.metrics = Metrics(type(self.bench.gateway.metrics.registry)())
        app = falcon.App()
        install(app)
        for path, resource in routes(
            self.bench.gateway, self.settings, self.bench.plugin._policies, self.metrics
        ):
            app.add_route(path, resource)
        self.client = falcon.testing.TestClient(app)

    def sms(self, **answer):
        """An SMS that went out; its message's id and its key."""
        if answer:
            self.bench.provider.answers = [Answer(**answer)]
        self.bench.register("ann", NUMBER)
        self.bench.register("ann", NUMBER)
        message = self.bench.send()
        eventually(lambda: len(self.bench.trail(message)) == 2)
        return message, self.bench.provider.sent[-1].key

    def path(self):
        """The path of the address for this app."""
        address = report_address(self.settings, self.name, self.bench.app.id)
        return address.removeprefix("https://push.example/gate")

    def post(self, body, path=None):
        """Report JSON."""
        return self.client.simulate_post(path or self.path(), json=body)

    def reported(self, message):
        """What the trail says of reports, by device."""
        return [line for line in self.bench.trail(message) if line != ("sent", MASK)]


def of_aliyun(key, success=True, biz="ref"):
    return {
        "phone_number": NUMBER,
        "success": success,
        "err_code": "DELIVERED" if success else "UNDELIVERED",
        "biz_id": biz,
        "out_id": str(key),
    }


def of_tencent(sid="ref", status="SUCCESS"):
    return {"mobile": NUMBER, "report_status": status, "errmsg": "DELIVRD", "sid": sid}


def test_aliyun_report_stands_in_trail(make_bench):
    """A report is answered as Aliyun wants it and stands in the trail of every device of the person."""
    desk = Desk(make_bench, "aliyun")
    message, key = desk.sms()
    answer = desk.post([of_aliyun(key)])
    assert (answer.status_code, answer.json) == (200, {"code": 0, "msg": "OK"})
    assert desk.reported(message) == [("delivered", "DELIVERED")] * 2


def test_tencent_report_stands_in_trail(make_bench):
    """A failure that Tencent reports is in the trail, and answered as Tencent wants it."""
    desk = Desk(make_bench, "tencent")
    message, _ = desk.sms()
    answer = desk.post([of_tencent(status="FAIL")])
    assert (answer.status_code, answer.json) == (200, {"result": 0, "errmsg": "OK"})
    assert desk.reported(message) == [("undelivered", "DELIVRD")] * 2


def test_report_is_taken_once(make_bench):
    """A report that comes again, or says something else later, changes nothing."""
    desk = Desk(make_bench, "aliyun")
    message, key = desk.sms()
    for report in (of_aliyun(key), of_aliyun(key), of_aliyun(key, success=False)):
        assert desk.post([report, report]).status_code == 200
    assert desk.reported(message) == [("delivered", "DELIVERED")] * 2


def test_report_of_ambiguous_sms_is_found(make_bench):
    """An SMS whose answer was lost has no reference; Aliyun's report finds it by our key."""
    desk = Desk(make_bench, "aliyun")
    message, key = desk.sms(verdict=Verdict.AMBIGUOUS, reason="no answer in time")
    desk.post([of_aliyun(key, biz="later")])
    assert ("delivered", "DELIVERED") in desk.reported(message)


@pytest.mark.parametrize(
    "report", [of_tencent(sid="unknown"), of_tencent(sid=""), {}, {"sid": None, "report_status": 5}]
)
def test_unknown_report_is_counted(make_bench, report):
    """A report about nothing of ours is answered, so that it does not come again, and counted."""
    desk = Desk(make_bench, "tencent")
    message, _ = desk.sms()
    assert desk.post([report]).status_code == 200
    assert desk.reported(message) == []
    assert desk.metrics._reports.labels("tencent", "unknown")._value.get() == 1


def test_forged_report_is_refused(make_bench):
    """A wrong MAC, another app's or another provider's is no address at all, and changes nothing."""
    desk = Desk(make_bench, "aliyun")
    message, key = desk.sms()
    mac, other = desk.path().rpartition("/")[2], desk.bench.add_app()
    good = f"/sms/receipts/aliyun/{desk.bench.app.id}/"
    for path in (
        good + "0" * 40,
        f"/sms/receipts/aliyun/{other.id}/{mac}",
        good.replace("aliyun", "tencent") + mac,
    ):
        answer = desk.post([of_aliyun(key)], path)
        assert (answer.status_code, answer.json["code"]) == (404, 40461)
    assert desk.reported(message) == []


def test_report_of_other_app_is_unknown(make_bench):
    """The owner of one app's address cannot report about another app's SMS."""
    desk = Desk(make_bench, "aliyun")
    message, key = desk.sms()
    owner, desk.bench.app = desk.bench.app, desk.bench.add_app()
    path = desk.path()
    desk.bench.app = owner
    assert desk.post([of_aliyun(key)], path).status_code == 200
    assert desk.reported(message) == []


@pytest.mark.parametrize("body", [b"", b"no", b"{}", b"[1]", b"\xff", b"[" + b"{}," * 1000 + b"{}]"])
def test_nonsense_is_refused(make_bench, body):
    """What is no list of reports is a 400."""
    desk = Desk(make_bench, "aliyun")
    answer = desk.client.simulate_post(desk.path(), body=body)
    assert (answer.status_code, answer.json["code"]) == (400, 40061)


def test_huge_report_is_refused(make_bench):
    """A body over a megabyte is not read."""
    desk = Desk(make_bench, "aliyun")
    answer = desk.client.simulate_post(desk.path(), body=b"[" + b" " * (1 << 20) + b"]")
    assert answer.status_code == 400


def twilio_post(desk, form, token="12345", query="", url="https://push.example/gate"):
    """A report signed as Twilio signs."""
    path = desk.path()
    signature = twilio_signature(token, f"{url}{path}" + (f"?{query}" if query else ""), form.items())
    return desk.client.simulate_post(
        path,
        body=urlencode(form),
        query_string=query,
        headers={"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"},
    )


def test_twilio_report_stands_in_trail(make_bench):
    """A signed report is taken in; a state on the way is answered and forgotten."""
    desk = Desk(make_bench, "twilio")
    message, key = desk.sms()
    for status in ("sent", "delivered", "delivered"):
        form = {"MessageSid": "ref", "MessageStatus": status, "To": f"+86{NUMBER}"}
        assert twilio_post(desk, form, query=f"sms={key}").status_code == 204
    assert desk.reported(message) == [("delivered", "delivered")] * 2


@pytest.mark.parametrize("forged", [{"token": "other"}, {"url": "https://elsewhere.example"}])
def test_twilio_report_needs_signature(make_bench, forged):
    """Without the signature of this very address a report is refused."""
    desk = Desk(make_bench, "twilio")
    message, _ = desk.sms()
    answer = twilio_post(desk, {"MessageSid": "ref", "MessageStatus": "failed"}, **forged)
    assert (answer.status_code, answer.json["code"]) == (403, 40361)
    assert desk.reported(message) == []


def test_twilio_signature_is_as_documented():
    """The example of Twilio's documentation on webhook security."""
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert twilio_signature("12345", url, form.items()) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_formats_are_read():
    """The three formats say the same."""
    assert read_aliyun(json.dumps([of_aliyun(7)]).encode()) == [Report(True, "DELIVERED", "ref", 7)]
    assert read_tencent(json.dumps([of_tencent()]).encode()) == [Report(True, "DELIVRD", "ref")]
    form = [("MessageSid", "ref"), ("MessageStatus", "failed"), ("ErrorCode", "30003")]
    assert read_twilio(form, "sms=7") == [Report(False, "failed 30003", "ref", 7)]
    with pytest.raises(InvalidReport):
        read_aliyun(b"null")


def test_addresses_are_off_without_secret(make_bench):
    """Without a secret, or for Twilio without public_url, there is no address."""
    bench = make_bench({"delay": 0})
    settings = bench.plugin._settings.gateway
    assert [report_address(settings, name, "app") for name in ("aliyun", "tencent", "twilio", "file")] == [
        None
    ] * 4
    assert list(routes(bench.gateway, settings, bench.plugin._policies, None)) == []


def test_details_show_addresses(make_bench):
    """``onepush plugins --verbose`` shows each app's address."""
    desk = Desk(make_bench, "aliyun")
    (line,) = desk.bench.plugin.details(desk.bench.gateway)
    assert line.endswith(f"reports to https://push.example/gate{desk.path()}")
