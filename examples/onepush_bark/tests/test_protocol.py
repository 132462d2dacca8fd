"""Bark's API as plain data."""

from __future__ import annotations

import json

import pytest

from onepush_bark.options import NO_OPTIONS, Options
from onepush_bark.protocol import RETRY, read_answer, to_body
from onepush_core import HttpAnswer, NoAnswer, Outcomes, Status
from onepush_core.testing import make_message

TARGETS = {"k1": [1, 2], "k2": [3]}


def told(*items: dict[str, object]) -> list[Outcomes]:
    """What such items mean for TARGETS."""
    body = {"code": 200, "message": "success", "timestamp": 1, "data": list(items)}
    return read_answer(HttpAnswer(200, {}, json.dumps(body).encode()), TARGETS)


def test_body_has_what_the_message_has() -> None:
    """And nothing that it does not have; the notification's id is the message's."""
    assert to_body(make_message(id="m-1"), NO_OPTIONS, ["k1"]) == {
        "body": "hello",
        "id": "m-1",
        "device_keys": ["k1"],
    }
    full = make_message(id="m-1", title="News", sound="minuet", badge=3)
    options = Options(level="timeSensitive", group="shop", call=True, archive=False)
    assert to_body(full, options, ["k1", "k2"]) == {
        "title": "News",
        "body": "hello",
        "sound": "minuet",
        "badge": 3,
        "id": "m-1",
        "level": "timeSensitive",
        "group": "shop",
        "call": "1",
        "isArchive": "0",
        "device_keys": ["k1", "k2"],
    }


@pytest.mark.parametrize(
    ("text", "status", "reason", "wait"),
    [
        (
            "failed to get device token: failed to get [k2] device token from database",
            Status.GONE,
            "unknown key",
            None,
        ),
        ("push failed: APNS push failed: BadDeviceToken", Status.GONE, "BadDeviceToken", None),
        ("push failed: APNS push failed: Unregistered", Status.GONE, "Unregistered", None),
        ("push failed: APNS push failed: PayloadTooLarge", Status.FAILED, "PayloadTooLarge", None),
        ("push failed: APNS push failed: TooManyRequests", Status.FAILED, "push failed", RETRY),
        ("", Status.FAILED, "push failed", RETRY),
    ],
)
def test_item_decides_on_its_key(text: str, status: Status, reason: str, wait: float | None) -> None:
    """The other keys are none of its business."""
    outcomes = told({"code": 200, "device_key": "k1"}, {"code": 500, "device_key": "k2", "message": text})
    assert outcomes == [Outcomes([1, 2], Status.SENT), Outcomes([3], status, reason, wait)]


@pytest.mark.parametrize("item", [None, 7, {"device_key": ["k2"]}, {"device_key": "stranger", "code": 200}])
def test_forgotten_key_is_asked_for_again(item: object) -> None:
    """Whatever else the answer holds."""
    outcomes = told({"code": 200, "device_key": "k1"}, item)  # type: ignore[arg-type]
    assert outcomes[1] == Outcomes([3], Status.FAILED, "no result", RETRY)


@pytest.mark.parametrize(
    ("status", "reason", "wait"),
    [
        (418, "credentials refused", None),
        (400, "http 400", None),
        (405, "http 405", None),
        (500, "http 500", RETRY),
        (429, "http 429", 90.0),
    ],
)
def test_status_decides_on_another_attempt(status: int, reason: str, wait: float | None) -> None:
    """A teapot will not change its mind; a server in trouble may."""
    answer = HttpAnswer(status, {"Retry-After": "90"} if status == 429 else {}, b"")
    assert read_answer(answer, TARGETS) == [Outcomes([1, 2, 3], Status.FAILED, reason, wait)]


@pytest.mark.parametrize("text", ["", "<html>", "[]", '{"data": {}}', '{"code": 200}'])
def test_answer_without_sense_is_none(text: str) -> None:
    """Whatever is not the documented JSON."""
    with pytest.raises(NoAnswer):
        read_answer(HttpAnswer(200, {}, text.encode()), TARGETS)
