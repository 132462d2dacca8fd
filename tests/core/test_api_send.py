"""POST /msgpush/send: what becomes of each field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.examples import any_machine
from onepush_core.errors import UnknownAudienceType
from onepush_core.objects import Draft, Selector
from tests.core.api_doubles import APP, KEY, RecordingGateway, client_of, error, send_body


@pytest.fixture
def gateway():
    """A gateway that remembers."""
    return RecordingGateway()


@pytest.fixture
def client(gateway):
    """A client of its API."""
    return client_of(gateway)


def send(client, **changes):
    """Send with changes."""
    return client.simulate_post("/msgpush/send", json=send_body(**changes))


def draft_of(gateway):
    """The one draft that was stored."""
    ((_, draft, _),) = gateway.named("send")
    return draft


def test_send_answers_request_id(client, gateway):
    """A send is authenticated, stored and answered with its id, in this order."""
    response = send(client)
    assert (response.status_code, response.json) == (200, {"requestId": "m-1"})
    assert [call[0] for call in gateway.calls] == ["authenticate", "send"]
    assert gateway.named("authenticate") == [(APP.id, KEY)]


def test_send_fills_in_defaults(client, gateway):
    """Only the required fields: three days for everybody with the alias, no confirm asked."""
    send(client, audienceType=...)
    assert draft_of(gateway) == Draft(
        alert="hello", selector=Selector("ALIAS", ("alice",)), platform="ALL", duration=259_200
    )


def test_send_carries_every_field(client, gateway):
    """Every field of the contract reaches the draft."""
    response = send(
        client,
        platform="IOS",
        audienceType="TAG",
        audiences=["red", "blue"],
        title="news",
        extra={"n": [1, 2.5, None, "x"]},
        pushMsgType="CMD",
        needConfirm=True,
        duration=60,
        tenantCode="t1",
        sender="billing",
        sendDeive="server-1",
        sound="ping",
        badge=3,
        smsMessage="call us",
        smsDelay=30,
        options={"oppo": {"channel": "c"}, "sms": {}},
    )
    assert response.status_code == 200
    assert draft_of(gateway) == Draft(
        alert="hello",
        selector=Selector("TAG", ("red", "blue")),
        platform="IOS",
        duration=60,
        need_confirm=True,
        type="CMD",
        title="news",
        extra={"n": [1, 2.5, None, "x"]},
        tenant="t1",
        sender="billing",
        send_device="server-1",
        sound="ping",
        badge=3,
        sms_message="call us",
        sms_delay=30,
        options={"oppo": {"channel": "c"}, "sms": {}},
    )


OPTIONAL = [
    *("audienceType", "title", "extra", "pushMsgType", "needConfirm", "duration", "tenantCode", "sender"),
    *("sendDeive", "sendDevice", "sound", "badge", "smsMessage", "smsDelay", "options"),
]


@pytest.mark.parametrize("field", OPTIONAL)
def test_send_takes_null_for_absent(client, gateway, field):
    """Null in an optional field means the same as leaving it out."""
    assert send(client, **{field: None}).status_code == 200
    assert draft_of(gateway) == Draft(alert="hello", selector=Selector("ALIAS", ("alice",)))


@pytest.mark.parametrize("field", ["tenantCode", "sender", "sendDeive", "title", "sound", "smsMessage"])
def test_send_takes_empty_text_for_absent(client, gateway, field):
    """An empty string in an optional text means the same as leaving it out."""
    assert send(client, **{field: ""}).status_code == 200
    assert draft_of(gateway) == Draft(alert="hello", selector=Selector("ALIAS", ("alice",)))


def test_send_accepts_both_spellings_of_send_device(client, gateway):
    """The README's sendDeive and the source's sendDevice are one field."""
    send(client, sendDevice="server-1")
    assert draft_of(gateway).send_device == "server-1"


def test_send_ignores_unknown_fields(client, gateway):
    """A client may send more than the contract knows."""
    assert send(client, colour="red", nested={"a": [1]}).status_code == 200


@pytest.mark.parametrize(
    ("given", "meant"),
    [(0, 0), (1, 1), (299, 299), (259_200, 259_200), (259_201, 259_200), (-1, 259_200), (-(2**63), 259_200),
     (2**31, 259_200), (2**63, 259_200), (2**53 + 1, 259_200)],
)  # fmt: skip
def test_send_bounds_duration(client, gateway, given, meant):
    """Durations within three days count as they are; all others mean three days."""
    assert send(client, duration=given).status_code == 200
    assert draft_of(gateway).duration == meant


@pytest.mark.parametrize("spelling", ["ALL", "all", "All", "aLL"])
@pytest.mark.parametrize("kind", ["ALIAS", "TAG", "DEVICE", ..., None, "ALL"])
def test_send_takes_all_for_whole_app(client, gateway, spelling, kind):
    """ALL alone means the whole app, in any case and with any audienceType."""
    assert send(client, audiences=[spelling], audienceType=kind).status_code == 200
    assert draft_of(gateway).selector == Selector("ALL", ("ALL",))


def test_send_takes_1000_audiences(client, gateway):
    """A thousand names are still allowed."""
    assert send(client, audiences=[f"u{n}" for n in range(1000)]).status_code == 200
    assert len(draft_of(gateway).selector.values) == 1000


def test_send_takes_alert_of_4096_bytes(client, gateway):
    """The bound is in bytes of UTF-8, and itself allowed."""
    assert send(client, alert="é" * 2048).status_code == 200


BAD_FIELDS = [
    ({"appId": ...}, "appId: required"),
    ({"appKey": ...}, "appKey: required"),
    ({"platform": ...}, "platform: required"),
    ({"audiences": ...}, "audiences: required"),
    ({"alert": ...}, "alert: required"),
    ({"appId": None}, "appId: required"),
    ({"alert": None}, "alert: required"),
    ({"audiences": None}, "audiences: required"),
    ({"platform": None}, "platform: required"),
    ({"appId": " "}, "appId: must not be blank"),
    ({"appKey": ""}, "appKey: must not be blank"),
    ({"alert": ""}, "alert: must not be blank"),
    ({"alert": " \t\n"}, "alert: must not be blank"),
    ({"alert": 5}, "alert: must be a string"),
    ({"alert": True}, "alert: must be a string"),
    ({"alert": ["x"]}, "alert: must be a string"),
    ({"alert": "x" * 4097}, "alert: longer than 4096 bytes"),
    ({"alert": "é" * 2049}, "alert: longer than 4096 bytes"),
    ({"platform": "all"}, "platform: must be one of ALL, ANDROID, IOS, PC, WEB"),
    ({"platform": "SYMBIAN"}, "platform: must be one of ALL, ANDROID, IOS, PC, WEB"),
    ({"platform": 1}, "platform: must be a string"),
    ({"audiences": "alice"}, "audiences: must be a list or an object"),
    ({"audiences": {"a": 1}}, "audiences: must be a list"),
    ({"audiences": []}, "audiences: must not be empty"),
    ({"audiences": [1]}, "audiences: must hold only strings"),
    ({"audiences": ["a", None]}, "audiences: must hold only strings"),
    ({"audiences": ["a", " "]}, "audiences: must not hold blank entries"),
    ({"audiences": ["x"] * 1001}, "audiences: more than 1000"),
    ({"audiences": ["all", "alice"]}, "audiences: ALL must stand alone"),
    ({"audienceType": ""}, "audienceType: must not be blank"),
    ({"audienceType": 3}, "audienceType: must be a string"),
    ({"audienceType": "X" * 65}, "audienceType: longer than 64 bytes"),
    ({"pushMsgType": "msg"}, "pushMsgType: must be one of CMD, MSG"),
    ({"needConfirm": 1}, "needConfirm: must be true or false"),
    ({"needConfirm": "true"}, "needConfirm: must be true or false"),
    ({"duration": True}, "duration: must be an integer"),
    ({"duration": "60"}, "duration: must be an integer"),
    ({"duration": 1.5}, "duration: must be an integer"),
    ({"duration": 60.0}, "duration: must be an integer"),
    ({"duration": [1]}, "duration: must be an integer"),
    ({"tenantCode": 5}, "tenantCode: must be a string"),
    ({"tenantCode": "t" * 65}, "tenantCode: longer than 64 bytes"),
    ({"sound": 1}, "sound: must be a string"),
    ({"badge": -1}, "badge: must be an integer >= 0"),
    ({"badge": 100_000}, "badge: must be an integer <= 99999"),
    ({"badge": True}, "badge: must be an integer"),
    ({"badge": "1"}, "badge: must be an integer"),
    ({"badge": 1.0}, "badge: must be an integer"),
    ({"smsDelay": -1}, "smsDelay: must be an integer >= 0"),
    ({"smsDelay": 259_201}, "smsDelay: must be an integer <= 259200"),
    ({"smsDelay": False}, "smsDelay: must be an integer"),
    ({"options": []}, "options: must be an object"),
    ({"options": {"oppo": 1}}, "options: must hold only objects"),
    ({"options": {"oppo": None}}, "options: must hold only objects"),
    ({"title": {}}, "title: must be a string"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_FIELDS)
def test_send_names_bad_field(client, gateway, changes, message):
    """A wrong field is named in the contract's spelling, without its value, and nothing is stored."""
    response = send(client, **changes)
    assert (response.status_code, response.json) == (400, error(40001, message))
    assert gateway.calls == []


def test_send_names_unknown_audience_type(client, gateway):
    """What the gateway refuses is answered as it says."""
    gateway.failures["send"] = UnknownAudienceType("audienceType: no plugin resolves PLANET")
    response = send(client, audienceType="PLANET")
    assert response.json == error(40004, "audienceType: no plugin resolves PLANET")


def test_send_observes_accept_latency(client, gateway):
    """An accepted message is counted with its latency; a replay is not."""
    send(client)
    gateway.answer = ("m-1", True)
    send(client)
    assert gateway.metrics.registry.get_sample_value("onepush_accept_seconds_count") == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
CLIENT = client_of(RecordingGateway())


@any_machine
@given(st.dictionaries(st.sampled_from([*OPTIONAL, *send_body()]), JSON, max_size=4))
def test_send_survives_any_values(changes):
    """Whatever stands in the fields, the answer is a success or a clean refusal."""
    response = send(CLIENT, **changes)
    assert response.status_code in (200, 400, 401)
    assert response.status_code == 200 or set(response.json) == {"code", "message"}
