"""/v1: what an app asks with HTTP Basic."""

import base64

import pytest

from onepush_core.errors import InvalidField
from tests.core.api_doubles import APP, KEY, STATUS, RecordingGateway, client_of, error

MESSAGE = "/v1/messages/m-1"
PATHS = [("GET", MESSAGE), ("DELETE", MESSAGE), ("GET", MESSAGE + "/deliveries"), ("GET", "/v1/devices")]


def basic(text):
    """The header's value for these credentials."""
    return "Basic " + base64.b64encode(text.encode()).decode()


GOOD = {"Authorization": basic(f"{APP.id}:{KEY}")}


@pytest.fixture
def gateway():
    """A gateway that remembers."""
    return RecordingGateway()


@pytest.fixture
def client(gateway):
    """A client of its API."""
    return client_of(gateway)


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(
    "header",
    [None, "", "Basic", "Basic ???", "Bearer " + KEY, basic("app-1"), basic(":" + KEY), basic("app-1:no"),
     basic("app-9:" + KEY), basic("app-1:\0"), "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
     "Basic é"],
)  # fmt: skip
def test_v1_refuses_bad_credentials_alike(gateway, client, method, path, header):
    """Every way of not being let in looks the same, byte for byte, and asks for HTTP Basic."""
    headers = {} if header is None else {"Authorization": header}
    response = client.simulate_request(method, path, headers=headers)
    assert response.status_code == 401
    assert response.content == b'{"code":40101,"message":"unknown app or wrong key"}'
    assert response.headers["WWW-Authenticate"] == 'Basic realm="onepush"'
    assert {call[0] for call in gateway.calls} <= {"authenticate"}


def test_v1_takes_key_with_colon(gateway, client):
    """Only the first colon separates (RFC 7617)."""
    client.simulate_get(MESSAGE, headers={"Authorization": basic("app-1:a:b")})
    assert gateway.named("authenticate") == [("app-1", "a:b")]


def test_message_status_is_answered(gateway, client):
    """GET answers the gateway's status as it is."""
    response = client.simulate_get(MESSAGE, headers=GOOD)
    assert (response.status_code, response.json) == (200, STATUS)
    assert gateway.named("status") == [(APP, "m-1")]


def test_message_is_cancelled(gateway, client):
    """DELETE cancels and answers the status."""
    response = client.simulate_delete(MESSAGE, headers=GOOD)
    assert (response.status_code, response.json["state"]) == (200, "cancelled")
    assert gateway.named("cancel") == [(APP, "m-1")]


@pytest.mark.parametrize("message_id", ["m-2", "x" * 65, "%00", "%ff"])
def test_unknown_message_is_not_found(client, message_id):
    """A message of another app or of none is a 404."""
    response = client.simulate_get(f"/v1/messages/{message_id}", headers=GOOD)
    assert (response.status_code, response.json) == (404, error(40402, "no such message"))


def test_deliveries_are_paged(gateway, client):
    """Cursor and limit go through; without them the first hundred."""
    client.simulate_get(MESSAGE + "/deliveries", headers=GOOD)
    client.simulate_get(MESSAGE + "/deliveries?cursor=abc&limit=1000", headers=GOOD)
    assert gateway.named("deliveries") == [(APP, "m-1", None, 100), (APP, "m-1", "abc", 1000)]


@pytest.mark.parametrize("path", [MESSAGE + "/deliveries?", "/v1/devices?alias=a&"])
@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "1.5", "1e2", "²", "00000000001", ""])
def test_bad_limit_is_refused(gateway, client, path, limit):
    """Limit is an integer from 1 to 1000."""
    response = client.simulate_get(f"{path}limit={limit}", headers=GOOD)
    expected = error(40001, "limit: must be an integer from 1 to 1000")
    assert (response.status_code, response.json) == (400, expected)


def test_bad_cursor_is_refused(gateway, client):
    """What the gateway says of a cursor is answered as it says."""
    gateway.failures["deliveries"] = InvalidField("cursor", "not one of ours")
    response = client.simulate_get(MESSAGE + "/deliveries?cursor=abc", headers=GOOD)
    assert (response.status_code, response.json) == (400, error(40001, "cursor: not one of ours"))


def test_devices_are_listed(gateway, client):
    """The alias comes percent-encoded; the page goes through."""
    response = client.simulate_get("/v1/devices?alias=%C3%A9%2C+b&limit=2&cursor=c", headers=GOOD)
    assert response.json == {"devices": [], "next": None}
    assert gateway.named("devices") == [(APP, "é, b", "c", 2)]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "alias: required"),
        ("?alias=", "alias: must not be blank"),
        ("?alias=+", "alias: must not be blank"),
        ("?alias=%00", "alias: must not hold NUL characters"),
        ("?alias=" + "a" * 257, "alias: longer than 256 bytes"),
        ("?alias=a&cursor=" + "c" * 257, "cursor: longer than 256 bytes"),
    ],
)
def test_devices_need_alias(client, query, message):
    """A list without an alias is refused."""
    response = client.simulate_get("/v1/devices" + query, headers=GOOD)
    assert (response.status_code, response.json) == (400, error(40001, message))


@pytest.mark.parametrize("path", [MESSAGE, MESSAGE + "/deliveries", "/v1/devices?alias=a"])
def test_head_answers_without_body(client, path):
    """HEAD tells the length of what GET answers."""
    whole = client.simulate_get(path, headers=GOOD)
    head = client.simulate_head(path, headers=GOOD)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(whole.content))
