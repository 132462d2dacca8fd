"""The providers against local servers that check what the real ones check, and in every kind of trouble."""

from __future__ import annotations

import json
import re
import socket
from contextlib import ExitStack
from importlib.util import find_spec
from types import SimpleNamespace
from urllib.parse import parse_qsl

import msgspec
import pytest

from onepush_core.testing import Trouble
from onepush_sms.http_call import Caller
from onepush_sms.objects import Sms, Verdict
from onepush_sms.providers import aliyun, tencent, twilio
from onepush_sms.providers.aliyun import AliyunProvider
from onepush_sms.providers.file import FileProvider
from onepush_sms.providers.http import HttpProvider
from onepush_sms.providers.tencent import TencentProvider
from onepush_sms.providers.twilio import TwilioProvider
from onepush_sms.settings import (
    AliyunSettings,
    FileSettings,
    HttpSettings,
    TencentSettings,
    TwilioSettings,
)
from tests.sms import fakes

pytestmark = pytest.mark.once  # providers, not the store

SMS = Sms(7, "app-1", "+8613711112222", "héllo 中 & more", {"code": "1234"})
FAST = (0.5, 0.3)
HTTP = {"json": {"to": "{number}", "text": "{smsMessage}"}, "success": {"status": 200, "json": {"ok": True}}}


def http_gateway(request):
    """Any gateway that takes JSON."""
    told = json.loads(request.body)
    return 200, {"ok": set(told) == {"to", "text"}}


def make_http(url, **more):
    return HttpProvider(msgspec.convert({"url": url, **HTTP, **more}, HttpSettings), Caller(FAST))


def make_twilio(url, **more):
    settings = msgspec.convert({**fakes.TWILIO, "endpoint": url, **more}, TwilioSettings)
    return TwilioProvider(settings, "https://push.example/sms/receipts/twilio", Caller(FAST))


def make_tencent(url, **more):
    settings = msgspec.convert({**fakes.TENCENT, "endpoint": url, **more}, TencentSettings)
    return TencentProvider(settings, FAST[1])


def make_aliyun(url, **more):
    settings = msgspec.convert({**fakes.ALIYUN, "endpoint": url, **more}, AliyunSettings)
    return AliyunProvider(settings, FAST)


def needs(module):
    """Skip where the SDK is not installed."""
    return pytest.mark.skipif(find_spec(module) is None, reason=f"needs the SDK {module}")


TENCENT_SDK, ALIYUN_SDK = needs("tencentcloud"), needs("alibabacloud_dysmsapi20170525")
ALL = [
    pytest.param(make_http, http_gateway, id="http"),
    pytest.param(make_twilio, fakes.twilio, id="twilio"),
    pytest.param(make_tencent, fakes.tencent, id="tencent", marks=TENCENT_SDK),
    pytest.param(make_aliyun, fakes.aliyun, id="aliyun", marks=ALIYUN_SDK),
]


@pytest.fixture
def serve(monkeypatch):
    """Start a server that answers with a function; without the proxies of the environment."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    running = []

    def start(answer):
        running.append(fakes.serve(answer))
        return running[-1]

    yield start
    for server in running:
        server.close()


def send(provider, sms=SMS):
    provider.prepare()
    return provider.send(sms)


@pytest.mark.parametrize(("make", "answer"), ALL)
def test_provider_sends_sms(serve, make, answer):
    """A server that checks signature and parameters accepts the SMS, in one call."""
    server = serve(answer)
    assert send(make(server.url)).verdict is Verdict.ACCEPTED
    assert len(server.requests) == 1


LOST = (
    Trouble.HANG_UP,
    Trouble.RESET,
    Trouble.TORN,
    Trouble.SILENCE,
    Trouble.SERVER_ERROR,
    Trouble.UNAVAILABLE,
    Trouble.GARBAGE,
)


@pytest.mark.parametrize("trouble", LOST)
@pytest.mark.parametrize(("make", "answer"), ALL)
def test_provider_reports_lost_answer_as_ambiguous(serve, make, answer, trouble):
    """Whatever happens once the request may have arrived is ambiguous, and is not tried a second time."""
    server = serve(answer)
    server.trouble(trouble)
    told = send(make(server.url))
    assert told.verdict is Verdict.AMBIGUOUS, told
    assert len(server.requests) == 1


@pytest.mark.parametrize(("make", "answer"), ALL[:2])
def test_provider_follows_no_redirect(serve, make, answer):
    """Neither number nor credentials go where an answer points to."""
    server = serve(answer)
    server.trouble(Trouble.REDIRECT)
    assert send(make(server.url)).verdict is not Verdict.ACCEPTED
    assert (len(server.requests), server.elsewhere) == (1, [])


@pytest.mark.parametrize(("make", "answer"), ALL)
def test_provider_reports_refused_connection_as_unsent(make, answer):
    """A refused connection has sent nothing; its reason holds neither number nor text."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    told = send(make(url))
    assert told.verdict is Verdict.UNREACHABLE
    assert "137" not in told.reason


@pytest.mark.parametrize(("make", "answer"), ALL)
def test_provider_reports_connect_timeout_as_unsent(make, answer, monkeypatch):
    """A host that does not take the connection in time has got nothing."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:
        # One connection fills the queue of a listener that accepts none; those after it wait.
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        told = send(make(f"http://127.0.0.1:{listener.getsockname()[1]}"))
    assert told.verdict is Verdict.UNREACHABLE
    assert "137" not in told.reason


@pytest.mark.parametrize(("make", "answer"), ALL)
def test_provider_reports_unknown_host_as_unsent(make, answer):
    """A host that does not exist has got nothing."""
    assert send(make("http://no-such-host.invalid")).verdict is Verdict.UNREACHABLE


@pytest.mark.parametrize(
    ("make", "answer", "change"),
    [
        pytest.param(make_twilio, fakes.twilio, {"auth_token": "wrong"}, id="twilio token"),
        pytest.param(
            make_tencent, fakes.tencent, {"secret_key": "wrong"}, id="tencent key", marks=TENCENT_SDK
        ),
        pytest.param(make_tencent, fakes.tencent, {"sign_name": "x"}, id="tencent sign", marks=TENCENT_SDK),
        pytest.param(
            make_tencent, fakes.tencent, {"template_id": "2"}, id="tencent template", marks=TENCENT_SDK
        ),
        pytest.param(
            make_aliyun, fakes.aliyun, {"access_key_secret": "x"}, id="aliyun key", marks=ALIYUN_SDK
        ),
        pytest.param(make_aliyun, fakes.aliyun, {"sign_name": "x"}, id="aliyun sign", marks=ALIYUN_SDK),
        pytest.param(
            make_aliyun, fakes.aliyun, {"template_code": "x"}, id="aliyun template", marks=ALIYUN_SDK
        ),
    ],
)
def test_provider_reports_account_problem(serve, make, answer, change):
    """Wrong credentials, sign or template are the account's problem, not the number's."""
    assert send(make(serve(answer).url, **change)).verdict is Verdict.ACCOUNT


@pytest.mark.parametrize(
    ("make", "answer"),
    [
        pytest.param(make_tencent, fakes.tencent, id="tencent", marks=TENCENT_SDK),
        pytest.param(make_aliyun, fakes.aliyun, id="aliyun", marks=ALIYUN_SDK),
    ],
)
def test_template_provider_refuses_missing_value(serve, make, answer):
    """A message without a value for its template is given up, without a call."""
    server = serve(answer)
    told = send(make(server.url), SMS._replace(extra=None))
    assert told.verdict is Verdict.REFUSED
    assert server.requests == []


@ALIYUN_SDK
def test_aliyun_fills_request(serve):
    """The number without +86, the parameters as JSON, and our key to find the report by."""
    server = serve(fakes.aliyun)
    told = send(make_aliyun(server.url))
    query = server.requests[0].query
    assert told.reference == "biz-1^0"
    assert query["PhoneNumbers"] == "13711112222"
    assert json.loads(query["TemplateParam"]) == {"message": SMS.text, "code": "1234"}
    assert query["OutId"] == "7"


@TENCENT_SDK
def test_tencent_fills_request(serve):
    """The number in E.164, the parameters in order; the serial number finds the report."""
    server = serve(fakes.tencent)
    told = send(make_tencent(server.url))
    body = json.loads(server.requests[0].body)
    assert told.reference == "serial-1"
    assert body["PhoneNumberSet"] == ["+8613711112222"]
    assert body["TemplateParamSet"] == [SMS.text, "1234"]


@TENCENT_SDK
def test_tencent_reads_status_of_number(serve):
    """A refused number is no exception: the code stands beside it."""

    def answer(request):
        status, told = fakes.tencent(request)
        told["Response"]["SendStatusSet"][0]["Code"] = "LimitExceeded.PhoneNumberDailyLimit"
        return status, told

    assert send(make_tencent(serve(answer).url)).verdict is Verdict.NUMBER_LIMIT


def test_twilio_fills_form(serve):
    """From or a Messaging Service, and where the report goes."""
    server = serve(fakes.twilio)
    send(make_twilio(server.url))
    send(make_twilio(server.url, **{"from": "MG" + "2" * 32}))
    number, service = (dict(parse_qsl(one.body.decode())) for one in server.requests)
    assert number == {
        "To": SMS.number,
        "Body": SMS.text,
        "From": "+15005550006",
        "StatusCallback": "https://push.example/sms/receipts/twilio/app-1?sms=7",
    }
    assert service["MessagingServiceSid"] == "MG" + "2" * 32
    assert "From" not in service


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (400, 21211, Verdict.BAD_NUMBER),
        (400, 21610, Verdict.BAD_NUMBER),
        (400, 99999, Verdict.REFUSED),
        (429, 20429, Verdict.LATER),
        (429, None, Verdict.LATER),
        (403, None, Verdict.ACCOUNT),
        (503, 20503, Verdict.AMBIGUOUS),
    ],
)
def test_twilio_reads_errors(serve, status, code, verdict):
    """The code decides, else the status."""
    told = send(make_twilio(serve(lambda _: (status, {"code": code, "message": "no"})).url))
    assert told.verdict is verdict


@pytest.mark.parametrize(
    ("status", "told", "verdict"),
    [
        (200, {"ok": True, "more": 1}, Verdict.ACCEPTED),
        (200, {"ok": False}, Verdict.REFUSED),
        (200, {"ok": 1}, Verdict.REFUSED),
        (200, [], Verdict.REFUSED),
        (201, {"ok": True}, Verdict.AMBIGUOUS),
        (302, {}, Verdict.REFUSED),
        (400, {}, Verdict.REFUSED),
        (401, {}, Verdict.ACCOUNT),
        (429, {}, Verdict.LATER),
        (503, {}, Verdict.AMBIGUOUS),
    ],
)
def test_http_reads_answers(serve, status, told, verdict):
    """Success is what the settings say; the status tells the rest."""
    assert send(make_http(serve(lambda _: (status, told)).url)).verdict is verdict


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
def test_http_fills_form_and_address(serve, method):
    """A form in the body, or in the query with GET; a placeholder in the address is escaped."""
    server = serve(lambda _: (200, {}))
    settings = {
        "method": method,
        "json": None,
        "form": {"to": "{number}", "m": "{smsMessage}"},
        "success": {},
    }
    headers = {"X-Key": "{number}"}
    told = send(make_http(server.url + "/sms/{extra.code}/{number}", **settings, headers=headers))
    (request,) = server.requests
    fields = request.query if method == "GET" else dict(parse_qsl(request.body.decode()))
    assert told.verdict is Verdict.ACCEPTED
    assert (request.method, request.path) == (method, "/sms/1234/%2B8613711112222")
    assert fields == {"to": SMS.number, "m": SMS.text}
    assert request.headers["x-key"] == "{number}"


def test_http_ignores_huge_answer(serve):
    """An answer without end is cut off, and is then no JSON."""
    server = serve(lambda _: (200, {"ok": True, "x": "y" * 1_000_000}))
    assert send(make_http(server.url)).verdict is Verdict.AMBIGUOUS


def test_file_writes_line(tmp_path):
    """One line for each SMS, whatever the text; only the owner can read it."""
    path = tmp_path / "sms.log"
    provider = FileProvider(FileSettings(path=str(path)))
    for text in ("one\ntwo", "中"):
        assert send(provider, SMS._replace(text=text)).verdict is Verdict.ACCEPTED
    assert [json.loads(line)["text"] for line in path.read_text().splitlines()] == ["one\ntwo", "中"]
    assert path.stat().st_mode & 0o077 == 0


def test_file_that_cannot_be_opened_has_sent_nothing(tmp_path):
    """Without its folder the file provider can try again."""
    provider = FileProvider(FileSettings(path=str(tmp_path / "none" / "sms.log")))
    assert send(provider).verdict is Verdict.UNREACHABLE


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("OK", Verdict.ACCEPTED),
        ("isv.BUSINESS_LIMIT_CONTROL", Verdict.NUMBER_LIMIT),
        ("isv.OUT_OF_SERVICE", Verdict.ACCOUNT),
        ("isp.SYSTEM_ERROR", Verdict.AMBIGUOUS),
        ("isv.SOMETHING_NEW", Verdict.REFUSED),
        (None, Verdict.AMBIGUOUS),
    ],
)
def test_aliyun_reads_codes(code, verdict):
    """The table decides; what it does not know is given up."""
    assert aliyun.read_body(SimpleNamespace(code=code, biz_id="b")).verdict is verdict


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("LimitExceeded.DeliveryFrequencyLimit", Verdict.NUMBER_LIMIT),
        ("AuthFailure.SecretIdNotFound", Verdict.ACCOUNT),
        ("RequestLimitExceeded.UinLimitExceeded", Verdict.LATER),
        ("InternalError.Timeout", Verdict.AMBIGUOUS),
        ("FailedOperation.ContainSensitiveWord", Verdict.REFUSED),
    ],
)
def test_tencent_reads_codes(code, verdict):
    """The longest known beginning decides; what it does not know is given up."""
    assert tencent.verdict_of(code) is verdict


@pytest.mark.parametrize("table", [aliyun.VERDICTS, tencent.VERDICTS, twilio.VERDICTS])
def test_table_of_codes_is_in_order(table):
    """The tables are sorted, so that a code is found, and never there twice."""
    codes = [str(code) for code in table if re.match(r"2|i[sv]|FailedOp|LimitEx", str(code))]
    assert codes == sorted(codes)
