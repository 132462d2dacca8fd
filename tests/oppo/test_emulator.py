"""The emulator refuses what OPPO would refuse, and goes wrong when it is told to."""

from __future__ import annotations

import hashlib
import json
import time

import pytest
import requests

from tests.oppo.driver import KEY, PATIENCE, SECRET, new_registration_id

NOTIFICATION = {"title": "t", "content": "c"}


class Caller:
    """Calls the emulator by hand, without any code of the plugin."""

    def __init__(self, url):
        self.url = f"{url}/server/v1"
        self.session = requests.Session()

    def post(self, path, form, **more):
        return self.session.post(self.url + path, data=form, timeout=PATIENCE, **more).json()

    def auth(self, **changes):
        now = str(int(time.time() * 1000))
        form = {"app_key": KEY, "timestamp": now, **changes}
        text = form["app_key"] + form["timestamp"] + SECRET
        form = {"sign": hashlib.sha256(text.encode()).hexdigest(), **form}
        return self.post("/auth", {name: value for name, value in form.items() if value})

    def token(self):
        return self.auth()["data"]["auth_token"]

    def push(self, message, **form):
        form = {"auth_token": self.token(), "message": json.dumps(message), **form}
        return self.post("/message/notification/unicast", form)

    def batch(self, messages):
        form = {"auth_token": self.token(), "messages": json.dumps(messages)}
        return self.post("/message/notification/unicast_batch", form)


@pytest.fixture
def caller(emulator):
    """A caller of the emulator."""
    return Caller(emulator.url)


def make_message(target=None, **notification):
    """A message as OPPO wants it."""
    target = target or new_registration_id()
    return {"target_type": 2, "target_value": target, "notification": {**NOTIFICATION, **notification}}


def test_auth_gives_token(caller):
    """A good signature gets a token with its time of creation in milliseconds."""
    answer = caller.auth()
    assert answer["code"] == 0
    assert len(answer["data"]["auth_token"]) == 24
    assert abs(answer["data"]["create_time"] - time.time() * 1000) < 60_000


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"app_key": "another"}, 14),
        ({"sign": "0" * 64}, 16),
        ({"sign": None}, 17),
        ({"timestamp": str(int(time.time()))}, 19),
    ],
)
def test_bad_auth_is_refused(caller, changes, code):
    """Wrong key, signature and time each have their code."""
    assert caller.auth(**changes)["code"] == code


@pytest.mark.parametrize(("minutes", "code"), [(-11, 19), (-9, 0), (9, 0), (11, 19)])
def test_clock_may_differ_by_ten_minutes(caller, minutes, code):
    """A signature is good for ten minutes."""
    assert caller.auth(timestamp=str(int(time.time() * 1000) + minutes * 60_000))["code"] == code


def test_upper_case_signature_is_refused(caller):
    """The signature is lower-case hex."""
    now = str(int(time.time() * 1000))
    sign = hashlib.sha256(f"{KEY}{now}{SECRET}".encode()).hexdigest().upper()
    assert caller.post("/auth", {"app_key": KEY, "timestamp": now, "sign": sign})["code"] == 16


def test_missing_auth_fields_are_named(caller):
    """Key, time and token that are missing have codes of their own."""
    assert caller.post("/auth", {})["code"] == 15
    assert caller.post("/auth", {"app_key": KEY})["code"] == 18
    assert caller.post("/message/notification/unicast", {"message": "{}"})["code"] == 29


def test_token_counts_in_body_and_header(caller, emulator):
    """A token in the form counts; one in a header does unless only the form is allowed."""
    message, token = json.dumps(make_message()), caller.token()
    path, headers = "/message/notification/unicast", {"auth_token": token}
    assert caller.post(path, {"message": message}, headers=headers)["code"] == 0
    assert caller.post(path, {"message": message, "auth_token": "bad"}, headers=headers)["code"] == 11
    emulator.tell("options", {"body_token_only": True})
    assert caller.post(path, {"message": message}, headers=headers)["code"] == 29


def test_token_dies(caller, emulator):
    """A token that is revoked or too old is refused."""
    token = caller.token()
    emulator.tell("revoke")
    assert caller.push(make_message(), auth_token=token)["code"] == 11
    token = caller.token()
    emulator.tell("options", {"clock_offset": 86_401.0})
    assert caller.post("/message/notification/unicast", {"auth_token": token, "message": "{}"})["code"] == 11


def test_push_answers_message_id(caller, emulator):
    """A good message arrives and gets an id of the documented form; unknown form fields are ignored."""
    message = make_message(app_message_id="m1", sub_title=None)
    answer = caller.push(message, sdk_version="JAVA_SDK_V1.0.0")
    assert answer["code"] == 0
    assert "-1-1-" in answer["data"]["messageId"]
    (arrival,) = emulator.arrivals("m1")
    assert arrival["notification"] == {**NOTIFICATION, "app_message_id": "m1"}


@pytest.mark.parametrize("field", ["target_type", "target_value", "notification"])
def test_missing_field_of_message_is_refused(caller, field):
    """Target and notification are required."""
    message = make_message()
    del message[field]
    assert caller.push(message)["code"] == 40


@pytest.mark.parametrize(
    ("notification", "code"),
    [
        ({"title": None}, 40),
        ({"content": None}, 40),
        ({"title": "x" * 51}, 41),
        ({"content": "x" * 51}, 41),
        ({"content": "x" * 129, "style": 2}, 41),
        ({"sub_title": "x" * 11}, 41),
        ({"style": 3}, 41),
        ({"clickActionType": 1}, 41),
        ({"callBackUrl": "https://x"}, 41),
        ({"offLineTtl": 5}, 41),
        ({"made_up": 1}, 41),
        ({"click_action_type": 3}, 41),
        ({"click_action_type": 1}, 40),
        ({"click_action_type": 2}, 40),
        ({"action_parameters": {"a": 1}}, 41),
        ({"action_parameters": "x"}, 41),
        ({"action_parameters": json.dumps({"a": "x" * 4000})}, 41),
        ({"show_time_type": 1}, 40),
        ({"show_time_type": 1, "show_start_time": 1_800_000_000_001, "show_end_time": 1_800_000_000_000}, 41),
        ({"off_line": "true"}, 41),
        ({"off_line_ttl": 864_001}, 41),
        ({"fix_speed": True}, 41),
        ({"call_back_url": "x" * 201}, 41),
        ({"call_back_url": "ftp://x"}, 41),
        ({"call_back_url": "http://[x"}, 41),
        ({"call_back_parameter": "x" * 101}, 41),
        ({"notify_level": 2}, 67),
        ({"notify_level": 16, "category": "IM"}, 67),
        ({"category": "OTHER"}, 67),
        ({"private_title_parameters": {"a": "b"}}, 54),
    ],
)
def test_bad_notification_is_refused(caller, notification, code):
    """Limits, camelCase names and fields that want each other are checked as the fact sheet says."""
    assert caller.push(make_message(**notification))["code"] == code
    item = caller.batch([make_message(), make_message(**notification)])["data"][1]
    assert item["errorCode"] == code


@pytest.mark.parametrize("target", ["short", "CN_" + "g" * 32, "a;b"])
def test_bad_registration_id_is_refused(caller, target):
    """A registration id of another form is code 10000, per item in a batch."""
    assert caller.push(make_message(target))["code"] == 10000
    answer = caller.batch([make_message(target), make_message()])
    assert answer["code"] == 0
    assert [item.get("errorCode") for item in answer["data"]] == [10000, None]
    assert answer["data"][0]["registrationId"] == target


def test_alias_with_receipts_is_refused(caller):
    """Receipts exist for registration ids only."""
    message = {"target_type": 5, "target_value": "ann", "notification": NOTIFICATION}
    assert caller.push(message)["code"] == 0
    message["notification"] = {**NOTIFICATION, "call_back_url": "https://x"}
    assert caller.push(message)["code"] == 41


@pytest.mark.parametrize("messages", [[], {}, "x", None])
def test_batch_must_be_a_list(caller, messages):
    """Anything but a list with something in it is refused as a whole."""
    assert caller.batch(messages)["code"] == 41


def test_batch_takes_a_thousand(caller):
    """1000 items pass, 1001 do not."""
    messages = [make_message() for _ in range(1001)]
    assert len(caller.batch(messages[:1000])["data"]) == 1000
    assert caller.batch(messages)["code"] == 41


def test_wrong_calls_are_refused(caller):
    """JSON bodies, other methods, other paths and other encodings have their codes."""
    url = caller.url + "/message/notification/unicast"
    assert requests.post(url, json={}, timeout=PATIENCE).json()["code"] == 40
    assert requests.get(url, timeout=PATIENCE).json()["code"] == 12
    assert caller.post("/message/nothing", {})["code"] == 20
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (
        requests.post(url, data="message=é".encode("latin-1"), headers=headers, timeout=PATIENCE).json()[
            "code"
        ]
        == 25
    )


def test_same_app_message_id_is_shown_once(caller, emulator):
    """A repeat to the same target is absorbed, one to another target is not."""
    target = new_registration_id()
    for where in (target, target, new_registration_id()):
        assert caller.push(make_message(where, app_message_id="m1"))["code"] == 0
    assert [one["times"] for one in emulator.arrivals("m1")] == [2, 1]
    assert emulator.ask("state")["absorbed"] == 1


def test_quota_and_rate_have_their_codes(caller, emulator):
    """The day's quota is 33, too many targets a second 55."""
    emulator.tell("options", {"daily_quota": 1})
    assert [caller.push(make_message())["code"] for _ in range(2)] == [0, 33]
    emulator.tell("options", {"daily_quota": 0, "rate": 2})
    assert caller.batch([make_message() for _ in range(3)])["code"] == 55


def test_ordered_code_is_answered(caller, emulator):
    """A code can be ordered for a target and taken back."""
    target = new_registration_id()
    emulator.tell("codes", {target: 27})
    assert caller.push(make_message(target))["code"] == 27
    emulator.tell("codes", {target: None})
    assert caller.push(make_message(target))["code"] == 0


def test_dead_ids_are_listed(caller, emulator):
    """The feedback call lists what was ordered, for a token in a header."""
    emulator.tell("invalid", ["a", "b"])
    answer = requests.get(
        caller.url + "/feedback/fetch_invalid_regidList",
        headers={"auth_token": caller.token()},
        timeout=PATIENCE,
    ).json()
    assert answer["data"] == {"registration_ids": ["a", "b"], "totalCount": 2}


def test_misspelt_trouble_is_refused(emulator):
    """A test that orders a trouble nobody knows is told so, instead of passing without it."""
    with pytest.raises(AssertionError, match="no such kind of trouble: hangs"):
        emulator.trouble("hangs")


def test_redirected_receipts_go_nowhere(caller, emulator):
    """A sender that answers receipts with a redirect gets them at no other address."""
    message = make_message(call_back_url=f"{emulator.url}/receipts")
    assert caller.push(message)["code"] == 0
    emulator.tell("troubles", [{"kind": "redirect", "path": "receipts"}])
    assert emulator.tell("receipts", {"event": "push_arrive", "targets": [message["target_value"]]}) == [302]
    assert "/elsewhere" not in [call["path"] for call in emulator.ask("calls")]
