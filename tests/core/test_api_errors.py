"""What errors look like, and what they never tell."""

import pytest
from falcon import HTTPForbidden
from falcon.testing import TestClient
from structlog.testing import capture_logs

from onepush_core.api import create_app, mount
from onepush_core.errors import Overloaded, StoreUnavailable
from tests.core.api_doubles import KEY, RecordingGateway, client_of, error, send_body

SECRETS = (KEY, "alice", "hello", "d-secret")


class Explosion(Exception):
    """Carries what must not come out."""


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/msgpush", "/msgpush/send/x", "/v1", "/%00", "/é", "/apps/a/b"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_unknown_path_is_not_found(method, path):
    """A path that nobody serves is a 404 of our shape."""
    response = client_of(RecordingGateway()).simulate_request(method, path)
    assert (response.status_code, response.json) == (404, error(40400, "not found"))


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/msgpush/send", "POST"),
        ("PUT", "/msgpush/register", "POST"),
        ("GET", "/msgpush/unregister/d-1", "POST"),
        ("POST", "/v1/messages/m-1", "GET, HEAD, DELETE"),
        ("PATCH", "/v1/devices", "GET, HEAD"),
        ("TRACE", "/health/live", "GET, HEAD"),
        ("DELETE", "/apps/a", "GET, HEAD"),
    ],
)
def test_wrong_method_is_refused(method, path, allowed):
    """A wrong method is a 405 that names the right ones."""
    response = client_of(RecordingGateway()).simulate_request(method, path)
    assert (response.status_code, response.json) == (405, error(40500, "method not allowed"))
    assert set(response.headers["Allow"].split(", ")) - {"OPTIONS"} == set(allowed.split(", "))


def test_options_names_methods():
    """OPTIONS answers the methods and allows no other origin."""
    response = client_of(RecordingGateway()).simulate_options("/msgpush/send", headers={"Origin": "http://a"})
    assert (response.status_code, response.content) == (200, b"")
    assert "POST" in response.headers["Allow"]
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "accept", ["application/xml", "text/html", "*/*", "text/xml;q=1, application/json;q=0.1"]
)
def test_error_is_json_whatever_is_accepted(accept):
    """Errors are JSON, never XML."""
    response = client_of(RecordingGateway()).simulate_get("/nowhere", headers={"Accept": accept})
    assert response.headers["Content-Type"] == "application/json"
    assert response.json["code"] == 40400


@pytest.mark.parametrize(("failure", "code"), [(StoreUnavailable(), 50301), (Overloaded(), 50302)])
def test_service_error_is_503(failure, code):
    """What the store cannot do is a 503 that says when to come again."""
    gateway = RecordingGateway()
    gateway.failures["send"] = failure
    response = client_of(gateway).simulate_post("/msgpush/send", json=send_body())
    assert (response.status_code, response.json["code"]) == (503, code)
    assert response.headers["Retry-After"] == "1"


def test_unknown_app_and_wrong_key_look_alike():
    """The two answers to a send are the same, byte for byte and header for header."""
    client = client_of(RecordingGateway())
    unknown = client.simulate_post("/msgpush/send", json=send_body(appId="app-9"))
    wrong = client.simulate_post("/msgpush/send", json=send_body(appKey="wrong"))
    assert unknown.status_code == wrong.status_code == 401
    assert unknown.content == wrong.content == b'{"code":40101,"message":"unknown app or wrong key"}'
    assert unknown.headers == wrong.headers


def test_caller_without_key_learns_nothing_of_plugins():
    """An unknown audience type or option is looked at only after the key."""
    gateway = RecordingGateway()
    body = send_body(appKey="wrong", audienceType="PLANET", options={"nobody": {}})
    assert client_of(gateway).simulate_post("/msgpush/send", json=body).status_code == 401
    assert gateway.named("send") == []


def test_unhandled_error_tells_nothing():
    """An unforeseen error is a 500 without its text; the log has one line without secrets."""
    gateway = RecordingGateway()
    gateway.failures["send"] = Explosion(*SECRETS)
    with capture_logs() as lines:
        response = client_of(gateway).simulate_post("/msgpush/send", json=send_body())
    (line,) = lines
    assert response.status_code == 500
    assert response.json == error(50000, f"internal error, reference {line['reference']}")
    assert (line["log_level"], line["route"], line["error"]) == ("error", "/msgpush/send", "Explosion")
    assert any("api_doubles" in frame for frame in line["frames"])
    assert not [secret for secret in SECRETS if secret in str(line)]


def test_unhandled_error_leaves_path_out_of_log():
    """The path of an unregister is a device id; the log has the route's template."""
    gateway = RecordingGateway()
    gateway.failures["unregister"] = Explosion("d-secret")
    with capture_logs() as lines:
        response = client_of(gateway).simulate_post("/msgpush/unregister/d-secret")
    assert (response.status_code, lines[0]["route"]) == (500, "/msgpush/unregister/{device_id}")
    assert "d-secret" not in str(lines) + response.text


def test_refused_requests_are_not_logged():
    """A caller's mistakes do not fill the log."""
    with capture_logs() as lines:
        client_of(RecordingGateway()).simulate_post("/msgpush/send", json=send_body(alert=""))
        client_of(RecordingGateway()).simulate_get("/nowhere")
    assert lines == []


def test_error_of_plugin_resource_gets_our_shape():
    """A Falcon error of a plugin's resource carries its status with 00 appended."""

    class Page:
        def on_get(self, req, resp):
            raise HTTPForbidden(description="not from there")

    app = create_app(RecordingGateway())
    mount(app, [("/page", Page())], "ws")
    response = TestClient(app).simulate_get("/page")
    assert (response.status_code, response.json) == (403, error(40300, "not from there"))
