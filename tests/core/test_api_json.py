"""What the API takes for JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.examples import any_machine
from onepush_core.api.strict_json import MAX_DEPTH, parse
from onepush_core.errors import InvalidJson
from tests.core.api_doubles import RecordingGateway, client_of, send_body


def lists(depth):
    """So many lists, each in the next."""
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "empty"),
        (b"{", "not valid JSON"),
        (b"{} {}", "not valid JSON"),
        (b"{'a': 1}", "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b'{"a": 01}', "not valid JSON"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "UTF-8"),
        (b'{"a": 1, "a": 1}', "twice"),
        (b'{"x": {"a": 1, "\\u0061": 2}}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": Infinity}', "NaN"),
        (b'{"a": [-Infinity]}', "NaN"),
        (b'{"a": 1e400}', "out of range"),
        (b'{"a": -1e400}', "out of range"),
        (b'{"a": 18446744073709551616}', "out of range"),
        (b'{"a": -9223372036854775809}', "out of range"),
        (b'{"a": ' + b"9" * 60_000 + b"}", "out of range"),
        (b'{"a": "\x00"}', "not valid JSON"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'{"a": ["\\ud800"]}', "surrogate"),
        (b'{"a": "\\uDfff"}', "surrogate"),
        (b'{"\\udc00\\ud800": 1}', "surrogate"),
        (lists(33), "32 levels"),
        (lists(30_000), "32 levels"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "32 levels"),
        (b"[" * 60_000, "32 levels"),
    ],
)
def test_parse_refuses_ambiguous_json(body, problem):
    """Every kind of bad JSON is refused by a text of ours."""
    with pytest.raises(InvalidJson, match=problem):
        parse(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b' {"a": "\\ud83d\\ude00"} ', {"a": "\U0001f600"}),
        (b'{"a": "\\\\u0000"}', {"a": "\\u0000"}),
        (b'{"a": "\\\\ud800"}', {"a": "\\ud800"}),
        (b'{"a": 18446744073709551615}', {"a": 2**64 - 1}),
        (b'{"a": 1.5e3, "b": -9223372036854775808}', {"a": 1500.0, "b": -(2**63)}),
        (json.dumps({"a": "[{" * 100}).encode(), {"a": "[{" * 100}),
        (json.dumps([[]] * 100).encode(), [[]] * 100),
    ],
)
def test_parse_takes_unusual_json(body, value):
    """What only looks like the refused cases is decoded."""
    assert parse(body) == value


def test_parse_takes_32_levels():
    """The bound counts the outermost value as 1 and is itself allowed."""
    deepest = b"[[]," + b"[" * (MAX_DEPTH - 1) + b"1" + b"]" * MAX_DEPTH
    for body in (lists(MAX_DEPTH), deepest):
        assert parse(body) == json.loads(body)


@any_machine
@given(st.binary(max_size=200))
def test_parse_survives_any_bytes(body):
    """Whatever arrives is either decoded or refused; no other error comes out."""
    try:
        parse(body)
    except InvalidJson:
        return
    json.loads(body)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@any_machine
@given(PLAIN, st.booleans())
def test_parse_agrees_with_plain_json(value, ensure_ascii):
    """Good JSON is decoded as Python decodes it, unless it holds a NUL."""
    body = json.dumps(value, ensure_ascii=ensure_ascii).encode("utf-8", "surrogatepass")
    if "\\u0000" in json.dumps(value).replace("\\\\", ""):
        with pytest.raises(InvalidJson):
            parse(body)
    else:
        assert parse(body) == value


@pytest.mark.parametrize("path", ["/msgpush/send", "/msgpush/register"])
@pytest.mark.parametrize("body", ["[1]", "3", "null", '"alert"', "true"])
def test_api_refuses_body_that_is_no_object(path, body):
    """JSON that is not an object gets a 400 with the JSON code."""
    gateway = RecordingGateway()
    response = client_of(gateway).simulate_post(path, body=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json["code"]) == (400, 40002)
    assert gateway.calls == []


@pytest.mark.parametrize("path", ["/msgpush/send", "/msgpush/register", "/apps/"])
def test_api_refuses_bad_json(path):
    """Every path that takes JSON uses the strict decoder."""
    headers = {"Content-Type": "application/json", "Authorization": "Bearer an-admin-token"}
    for body in ('{"name": "a", "name": "b"}', '{"name": NaN}', ""):
        response = client_of(RecordingGateway()).simulate_post(path, body=body, headers=headers)
        assert (response.status_code, response.json["code"]) == (400, 40002)


def test_api_never_echoes_values():
    """No wrong value comes back in the text of its error."""
    client = client_of(RecordingGateway())
    for field in send_body(duration=1, badge=1, options={}, tenantCode="x", pushMsgType="MSG"):
        for hostile in ("S3CRET - at `$.alert`", ["S3CRET"], {"S3CRET": ["S3CRET"]}):
            response = client.simulate_post("/msgpush/send", json=send_body(**{field: hostile}))
            assert "S3CRET" not in response.text
