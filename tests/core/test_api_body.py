"""Size and type of request bodies."""

import json

import pytest

from tests.core.api_doubles import RecordingGateway, client_of, error, send_body

SEND = "/msgpush/send"


def post(body, content_type="application/json", gateway=None, **headers):
    """Post a body of this type."""
    headers = {**headers, **({"Content-Type": content_type} if content_type else {})}
    return client_of(gateway or RecordingGateway()).simulate_post(SEND, body=body, headers=headers)


def padded(size):
    """A good send of so many bytes."""
    body = json.dumps(send_body(unknown=""))
    return body[:-2] + "x" * (size - len(body)) + '"}'


def test_body_of_64_kib_is_taken():
    """The bound itself is allowed."""
    assert post(padded(65_536)).status_code == 200


def test_body_over_64_kib_is_refused():
    """One byte more is a 413, and nothing is stored."""
    gateway = RecordingGateway()
    response = post(padded(65_537), gateway=gateway)
    assert (response.status_code, response.json) == (413, error(41301, "the body is too large"))
    assert gateway.calls == []


def test_body_bound_follows_setting():
    """The bound comes from the settings."""
    assert post(padded(1025), gateway=RecordingGateway(max_body=1024)).status_code == 413


@pytest.mark.parametrize("size", [1024, 1025, 5000])
def test_chunked_body_is_bounded(size):
    """A body without a declared length is read up to the bound, whatever the server's stream holds."""
    gateway = RecordingGateway(max_body=1024)
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    response = client_of(gateway).simulate_post(SEND, body=padded(size), headers=headers)
    assert response.status_code == (200 if size == 1024 else 413)


def test_body_shorter_than_declared_is_refused():
    """A body that ends too early is a 400."""
    response = post(json.dumps(send_body()), **{"Content-Length": "500"})
    assert (response.status_code, response.json) == (400, error(40002, "the body ends too early"))


def test_empty_body_is_refused():
    """No body at all is a 400 that says so."""
    assert post("").json == error(40002, "the body is empty")


@pytest.mark.parametrize(
    "content_type",
    [None, "application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8",
     "Application/JSON", 'application/json; charset="utf-8"'],
)  # fmt: skip
def test_json_media_type_is_taken(content_type):
    """JSON in UTF-8 however it is spelt, and JSON without a type."""
    assert post(json.dumps(send_body()), content_type).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=gbk", "application/xml",
     "multipart/form-data; boundary=x", "json", "application/jsonp", ";", "application/json/x"],
)  # fmt: skip
def test_other_media_type_is_refused(content_type):
    """Anything else is a 415, before the body is looked at."""
    response = post(json.dumps(send_body()), content_type)
    expected = error(41501, "this path takes application/json in UTF-8")
    assert (response.status_code, response.json) == (415, expected)
