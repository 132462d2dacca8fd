"""Requests as OPPO reads them, and answers as OPPO gives them."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, parse_qsl

import pytest

from onepush_oppo import protocol
from onepush_oppo.protocol import Answer, Envelope, MalformedAnswer

NOTIFICATION = {"title": "t&1", "content": '你好 +%"\\', "off_line": True}


@pytest.mark.parametrize(
    ("app_key", "timestamp", "secret", "signature"),
    [
        (
            "0123456789abcdef0123456789abcdef",
            1_700_000_000_000,
            "fedcba9876543210fedcba9876543210",
            "4020410fc38cb0f21b40a4e384a3a655b397a6951de451798f6c32aa4b9e5fcd",
        ),
        (
            "testkey",
            1_700_000_000_123,
            "testsecret",
            "4dd3543d523db5e9b5854d44baad57b2aaf32ab147ad593d704f46c470d91774",
        ),
    ],
)
def test_sign_joins_key_time_and_secret(app_key, timestamp, secret, signature):
    """Signatures equal the fact sheet's worked examples."""
    assert protocol.sign(app_key, timestamp, secret) == signature


def test_auth_form_carries_signature():
    """The auth form has the three fields OPPO wants, in milliseconds."""
    form = dict(parse_qsl(protocol.auth_form("testkey", "testsecret", 1_700_000_000_123).decode()))
    assert form["app_key"] == "testkey"
    assert form["timestamp"] == "1700000000123"
    assert form["sign"].startswith("4dd3543d")


@pytest.mark.parametrize("target", ["CN_" + "a" * 32, 'odd "id" & 名'])
def test_envelope_writes_one_message(target):
    """What is assembled from encoded parts reads like the whole encoded at once."""
    envelope = Envelope(2, NOTIFICATION, verify=True)
    body = protocol.with_token("to/ken", protocol.unicast_form(envelope.for_target(target, "m.1")))
    form = parse_qs(body.decode("ascii"), strict_parsing=True)
    assert form["auth_token"] == ["to/ken"]
    assert json.loads(form["message"][0]) == {
        "target_type": 2,
        "target_value": target,
        "verify_registration_id": True,
        "notification": {**NOTIFICATION, "call_back_parameter": "m.1"},
    }


def test_batch_form_holds_list_of_messages():
    """A batch is one form field with a JSON list, each element with its own notification."""
    envelope = Envelope(5, NOTIFICATION)
    body = protocol.with_token("t", protocol.batch_form(map(envelope.for_target, ["ann", "bob"])))
    messages = json.loads(parse_qs(body.decode("ascii"))["messages"][0])
    assert messages == [
        {"target_type": 5, "target_value": name, "notification": NOTIFICATION} for name in ("ann", "bob")
    ]


@pytest.mark.parametrize(
    ("registration_id", "china"),
    [
        ("a" * 32, True),
        ("CN_x", True),
        ("OPPO_CN_x", True),
        ("US_x", False),
        ("OPPO_US_x", False),
        ("a_b_CN_x", False),
    ],
)
def test_region_follows_registration_id(registration_id, china):
    """The parts of a registration id say which host it belongs to."""
    assert protocol.is_in_china(registration_id) is china


@pytest.mark.parametrize(
    ("token", "possible"),
    [
        ("a", True),
        ("名" * 256, True),
        ("", False),
        ("a" * 257, False),
        ("a b", False),
        ("a;b", False),
        ("a,b", False),
    ],
)
def test_impossible_registration_id_is_told(token, possible):
    """Only what could break a request is refused here; whether an id is known is OPPO's to say."""
    assert protocol.is_registration_id(token) is possible


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"message":"x"}', b'{"code":"x"}', b'{"code":0', b"\xff"]
)
def test_answer_refuses_what_is_none(body):
    """Anything but a JSON object with a code is malformed."""
    with pytest.raises(MalformedAnswer):
        protocol.parse_answer(body)


def test_answer_reads_data_given_as_text():
    """OPPO's table says that data is a string, its samples that it is none; both are read."""
    assert protocol.parse_answer(b'{"code":0,"data":"[{\\"registrationId\\":\\"a\\"}]"}').data == [
        {"registrationId": "a"}
    ]
    assert protocol.parse_answer(b'{"code":0,"message":"ok","data":{"messageId":"m"}}').data == {
        "messageId": "m"
    }


def test_items_match_by_registration_id():
    """Items in another order find their targets; an errorCode of 0 is none."""
    data = [
        {"registrationId": "b", "errorCode": 10000, "errorMessage": "x"},
        {"registrationId": "a", "errorCode": 0},
    ]
    items = protocol.parse_items(Answer(0, "", data), ["a", "b"])
    assert {target: item.code for target, item in items.items()} == {"a": 0, "b": 10000}


def test_items_match_by_place_when_counts_agree():
    """Items that name no target of ours go by their place, and only when there are as many."""
    data = [{"registrationId": "?", "errorCode": 41}, {"messageId": "m"}]
    items = protocol.parse_items(Answer(0, "", data), ["a", "b"])
    assert {target: item.code for target, item in items.items()} == {"a": 41, "b": 0}
    assert protocol.parse_items(Answer(0, "", data), ["a", "b", "c"]) == {}


@pytest.mark.parametrize("data", [None, {"messageId": "m"}, "text"])
def test_items_may_be_missing(data):
    """Without a list the code of the whole counts for all."""
    assert protocol.parse_items(Answer(0, "", data), ["a"]) is None


@pytest.mark.parametrize("data", [None, [], {"auth_token": ""}, {"auth_token": 5}])
def test_token_is_required_in_auth_answer(data):
    """An auth answer without a token is malformed."""
    with pytest.raises(MalformedAnswer):
        protocol.parse_token(Answer(0, "", data))
