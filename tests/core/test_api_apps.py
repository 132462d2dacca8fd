"""/apps: admin calls."""

import json

import pytest

from onepush_core.errors import InvalidField
from tests.core.api_doubles import ADMIN, KEY, RecordingGateway, client_of, error

BEARER = {"Authorization": f"Bearer {ADMIN}"}


@pytest.fixture
def gateway():
    """A gateway that remembers."""
    return RecordingGateway()


@pytest.fixture
def client(gateway):
    """A client of its API."""
    return client_of(gateway)


def create(client, body, content_type=None, path="/apps/"):
    """Post a name."""
    headers = {**BEARER, **({"Content-Type": content_type} if content_type else {})}
    return client.simulate_post(path, body=body, headers=headers)


@pytest.mark.parametrize("path", ["/apps/", "/apps"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("billing", "text/plain"),
        ("billing\n", "text/plain; charset=utf-8"),
        ("billing", None),
        ('{"name": "billing"}', "application/json"),
    ],
)
def test_app_is_created(gateway, client, path, body, content_type):
    """The name comes bare or in JSON; the key is in the answer, which nobody may cache."""
    response = create(client, body, content_type, path)
    assert (response.status_code, response.json) == (200, {"id": "app-2", "name": "billing", "appKey": KEY})
    assert response.headers["Cache-Control"] == "no-store"
    assert gateway.named("create_app") == [(body if content_type != "application/json" else "billing",)]


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"\xff", "text/plain", "name: not valid UTF-8"),
        ("{}", "application/json", "name: required"),
        ('{"name": null}', "application/json", "name: required"),
        ('{"name": 5}', "application/json", "name: must be a string"),
    ],
)
def test_bad_name_is_refused(gateway, client, body, content_type, message):
    """A name is text."""
    response = create(client, body, content_type)
    assert (response.status_code, response.json) == (400, error(40001, message))
    assert gateway.calls == []


def test_name_out_of_bounds_is_refused(gateway, client):
    """What the gateway says of a name is answered as it says."""
    gateway.failures["create_app"] = InvalidField("name", "1 to 100 bytes of printable text")
    response = create(client, "\n", "text/plain")
    expected = error(40001, "name: 1 to 100 bytes of printable text")
    assert (response.status_code, response.json) == (400, expected)


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain; charset=gbk"])
def test_other_media_type_is_refused(client, content_type):
    """Anything else is a 415 that says what is taken."""
    response = create(client, "billing", content_type)
    expected = error(41501, "this path takes application/json or text/plain in UTF-8")
    assert (response.status_code, response.json) == (415, expected)


def test_app_is_shown_without_key(client):
    """GET answers the app, never its key."""
    response = client.simulate_get("/apps/app-1", headers=BEARER)
    assert response.status_code == 200
    assert set(response.json) == {"id", "name", "enabled", "createdAt"}


@pytest.mark.parametrize("app_id", ["app-9", "x" * 65, "%00"])
def test_unknown_app_is_not_found(client, app_id):
    """An unknown app is a 404 for the admin."""
    response = client.simulate_get(f"/apps/{app_id}", headers=BEARER)
    assert (response.status_code, response.json) == (404, error(40403, "no such app"))


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/apps/"), ("GET", "/apps/app-1"), ("GET", "/apps/app-9")]
)
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer wrong", "Basic an-admin-token", "Bearer \xe9"]
)
def test_admin_call_needs_token(gateway, client, method, path, header):
    """Without the token every admin call is the same 401, whether the app exists or not."""
    headers = {} if header is None else {"Authorization": header}
    response = client.simulate_request(method, path, headers=headers, body="billing")
    assert (response.status_code, response.json) == (401, error(40102, "the admin token is missing or wrong"))
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="onepush"'
    assert gateway.calls == []


@pytest.mark.parametrize("header", ["Bearer ", "Bearer None", "Bearer an-admin-token"])
def test_admin_calls_are_off_without_setting(header):
    """Without a token in the settings nobody is the admin."""
    gateway = RecordingGateway(admin_token=None)
    response = client_of(gateway).simulate_post("/apps/", body="billing", headers={"Authorization": header})
    expected = error(40301, "admin calls are off: no admin token is set")
    assert (response.status_code, response.json) == (403, expected)
    assert gateway.calls == []


def test_json_name_is_checked_like_other_json(client):
    """The strict decoder serves this path, too."""
    body = json.dumps({"name": "a"})[:-1] + ', "name": "b"}'
    assert create(client, body, "application/json").json["code"] == 40002
