"""Text that a scanner would try, in every call that takes a tag: it is taken exactly, or clearly refused."""

import json
from urllib.parse import quote

import pytest

from harness.app import read
from tests.tags.calls import call, count, reached, reached_by, tags_of

HOSTILE = [
    "' OR '1'='1",
    "'; DROP TABLE device_tag; --",
    "a') OR 1=1 --",
    '" OR ""="',
    "1 UNION SELECT key FROM device",
    "vip'/**/OR/**/'a'='a",
    "vip%27%20OR%201=1",
    "?",
    ":tag",
    "$1",
    "IN KEYS ?",
    "%",
    "_",
    "vi_",
    "v%",
    "v*",
    "v?p",
    "[v]ip",
    "vip\\",
    "\N{PARTY POPPER}",
    "\N{MAN}\u200d\N{WOMAN}",
    "\u05e9\u05dc\u05d5\u05dd",
    "\u202epiv",
    "vip\u200b",
    "VIP",
    "\uff56\uff49\uff50",
    "vip/../vip",
    "x" * 10_000,
    "${vip}",
    "{{vip}}",
    "vi\np",
    "v_p",
    "vip\0",
]
TOO_LONG_FOR_A_LINE = "x" * 10_000
"""Parameters stand in the request line, of which the gateway reads less."""


def register(app, device, text):
    """The device registers once more, with this tag."""
    assert device
    body = {"appId": app.id, "alias": "ann", "platform": "WEB", "nativeToken": "token", "tag": [text]}
    return app.post("/msgpush/register", body)


def replace(app, device, text):
    """The device gets this tag and no other."""
    return call(app, "PUT", f"/devices/{device}/tags", {"tags": [text]})


def add(app, device, text):
    """The device gets this tag, which stands in the path."""
    return call(app, "POST", f"/tags/{quote(text, safe='')}/devices", {"deviceIds": [device]})


@pytest.mark.parametrize("write", [register, replace, add])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_tag_is_kept_exactly_or_refused(app, write, text):
    """The device carries just this tag and is found by it; or a 400 names the place, and nothing changes."""
    device, other = app.register("ann", "WEB", token="token"), app.register("bob", tag=["vip"])
    answer = write(app, device, text)
    if answer.status_code == 200:
        assert tags_of(app, "ann") == {device: [text]}
        assert reached(app, text) == {device}
    else:
        check_refusal(answer, text, {40001, 40002}, "tag")
        assert tags_of(app, "ann") == {device: []}
    assert reached(app, "vip") == {other}


def send_to_tag(app, text):
    """A list of one tag."""
    return app.try_send(text, audienceType="TAG", needConfirm=True)


def send_to_expression(app, text):
    """An expression as text."""
    return app.try_send(text, audienceType="TAG_EXPR", needConfirm=True)


def send_to_group(app, text):
    """An expression as an object."""
    return app.try_send(audiences={"or": [text]}, audienceType="TAG_EXPR", needConfirm=True)


def count_tag(app, text):
    """A list of one tag, in a query."""
    return count(app, audienceType="TAG", audiences=text)


def count_expression(app, text):
    """An expression, in a query."""
    return count(app, audienceType="TAG_EXPR", audiences=text)


def count_group(app, text):
    """The JSON text of an object, in a query."""
    return count(app, audienceType="TAG_EXPR", audiences=json.dumps({"or": [text]}))


READS = [send_to_tag, send_to_expression, send_to_group, count_tag, count_expression, count_group]


@pytest.mark.parametrize("ask", READS)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_audience_is_exact_or_refused(app, ask, text):
    """Nobody carries a tag of exactly this text, so nobody is found; a refusal does not repeat it."""
    device = app.register("ann", tag=["vip"])
    answer = ask(app, text)
    if answer.status_code != 200:
        check_refusal(answer, text, {40001, 40002, 40003}, "audiences")
    elif "total" in answer.json():
        assert answer.json()["total"] == 0
    else:
        app.await_counts(answer.json()["requestId"])
    assert reached(app, "vip") == reached_by(app, "vip") == {device}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_cursor_is_a_place_in_the_list(app, text):
    """The list goes on behind this text, whatever it is; or a 400 names the parameter."""
    tags = ["A", "vip", "\u4e00"]
    app.register("ann", tag=tags)
    answer = call(app, "GET", "/tags", params={"cursor": text})
    if answer.status_code == 200:
        assert [one["tag"] for one in read(answer)["tags"]] == [tag for tag in tags if tag > text]
    else:
        check_refusal(answer, text, {40001}, "cursor")


def check_refusal(answer, text, codes, field):
    """A 400 that names the field, not the text; 414 for what is too long for a request line."""
    if answer.status_code == 414:
        assert text == TOO_LONG_FOR_A_LINE
        return
    body = answer.json()
    assert answer.status_code == 400
    assert body["code"] in codes
    assert field in body["message"] or body["code"] == 40002
    assert len(text) < 4 or text not in body["message"]
