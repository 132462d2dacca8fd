"""Idempotency-Key on /msgpush/send."""

import pytest

from onepush_core.api.fields import convert
from onepush_core.api.idempotency import digest
from onepush_core.api.schemas import SendRequest
from onepush_core.api.translation import to_draft
from onepush_core.errors import IdempotencyInProgress, IdempotencyMismatch
from tests.core.api_doubles import RecordingGateway, client_of, error, send_body


@pytest.fixture
def gateway():
    """A gateway that remembers."""
    return RecordingGateway()


def send(gateway, key, **changes):
    """Send with a key."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return client_of(gateway).simulate_post("/msgpush/send", json=send_body(**changes), headers=headers)


def digest_of(**changes):
    """The digest of a send."""
    return digest(to_draft(convert(send_body(**changes), SendRequest)))


def test_idempotency_hands_key_and_digest_over(gateway):
    """The gateway gets the key and 32 bytes; without the header it gets nothing."""
    send(gateway, "order-1")
    send(gateway, None)
    (_, _, given), (_, _, absent) = gateway.named("send")
    assert given == ("order-1", digest_of())
    assert len(given[1]) == 32
    assert absent is None


def test_idempotency_marks_replay(gateway):
    """Only a replay carries the header."""
    assert "Idempotent-Replayed" not in send(gateway, "order-1").headers
    gateway.answer = ("m-1", True)
    response = send(gateway, "order-1")
    assert (response.status_code, response.json) == (200, {"requestId": "m-1"})
    assert response.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("failure", "code"), [(IdempotencyInProgress(), 40901), (IdempotencyMismatch(), 42201)]
)
def test_idempotency_answers_conflict(gateway, failure, code):
    """Still running is a 409, another body a 422."""
    gateway.failures["send"] = failure
    response = send(gateway, "order-1")
    assert (response.status_code, response.json["code"]) == (code // 100, code)


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256, "a\tb", "\x7f"])
def test_idempotency_refuses_bad_key(gateway, key):
    """A key is 1 to 255 visible ASCII characters."""
    expected = error(40001, "Idempotency-Key: must be 1 to 255 visible ASCII characters")
    response = send(gateway, key)
    assert (response.status_code, response.json) == (400, expected)
    assert gateway.calls == []


@pytest.mark.parametrize("key", ["!", "~", "x" * 255, '"quoted"'])
def test_idempotency_takes_visible_key(gateway, key):
    """The bounds themselves are allowed."""
    assert send(gateway, key).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"duration": 259_200},
        {"duration": -5},
        {"needConfirm": False},
        {"pushMsgType": "MSG"},
        {"audienceType": ...},
        {"tenantCode": ""},
        {"title": None},
        {"unknown": 1},
        {"appKey": "the other live key"},
    ],
)
def test_digest_ignores_spelling(changes):
    """Defaults written out, unknown fields and the other live key do not make another body."""
    assert digest_of(**changes) == digest_of()


def test_digest_ignores_order_of_keys():
    """The order of keys does not count, on no level."""
    one = digest_of(extra={"a": 1, "b": {"c": 2, "d": 3}})
    assert one == digest_of(extra={"b": {"d": 3, "c": 2}, "a": 1})


def test_digest_takes_send_deive_for_send_device():
    """Both spellings of the field are one."""
    assert digest_of(sendDeive="s") == digest_of(sendDevice="s") != digest_of()


@pytest.mark.parametrize(
    "changes",
    [
        {"alert": "hello!"},
        {"audiences": ["bob"]},
        {"audienceType": "TAG"},
        {"platform": "IOS"},
        {"needConfirm": True},
        {"duration": 1},
        {"extra": {}},
        {"extra": 0},
        {"extra": False},
        {"extra": "0"},
        {"badge": 0},
        {"options": {"sms": {}}},
        {"smsMessage": "x"},
        {"tenantCode": "t"},
    ],
)
def test_digest_tells_meanings_apart(changes):
    """Whatever changes the message changes the digest."""
    others = [{}, {"extra": {}}, {"extra": 0}, {"extra": False}]
    assert all(digest_of(**changes) != digest_of(**other) for other in others if other != changes)
