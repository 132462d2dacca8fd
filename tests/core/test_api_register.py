"""POST /msgpush/register and /msgpush/unregister."""

import pytest

from onepush_core.objects import Registration
from tests.core.api_doubles import APP, RecordingGateway, client_of, error, register_body


@pytest.fixture
def gateway():
    """A gateway that remembers."""
    return RecordingGateway()


@pytest.fixture
def client(gateway):
    """A client of its API."""
    return client_of(gateway)


def register(client, **changes):
    """Register with changes."""
    return client.simulate_post("/msgpush/register", json=register_body(**changes))


def test_register_answers_device_id(client, gateway):
    """Only the required fields are needed."""
    response = register(client)
    assert (response.status_code, response.json) == (200, {"id": "d-1"})
    assert gateway.named("register") == [
        (APP.id, Registration(alias="alice", platform="ANDROID", token="token-1"))
    ]


def test_register_carries_every_field(client, gateway):
    """Every field of the contract reaches the registration."""
    register(client, platform="IOS", mobile="+8613", tag=["a", "b", "a"], tenantCode="t1", vendor="OPPO_2")
    assert gateway.named("register")[0][1] == Registration(
        alias="alice",
        platform="IOS",
        token="token-1",
        mobile="+8613",
        tags=("a", "b", "a"),
        tenant="t1",
        vendor="OPPO_2",
    )


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize("field", ["mobile", "tenantCode", "vendor"])
def test_register_takes_nothing_for_absent(client, gateway, field, nothing):
    """Null and an empty text mean the same as leaving an optional field out."""
    assert register(client, **{field: nothing}).status_code == 200
    assert gateway.named("register")[0][1] == Registration(alias="alice", platform="ANDROID", token="token-1")


def test_register_ignores_unknown_fields(client):
    """A client may send more than the contract knows."""
    assert register(client, model="X100").status_code == 200


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"appId": ...}, "appId: required"),
        ({"alias": ...}, "alias: required"),
        ({"platform": ...}, "platform: required"),
        ({"nativeToken": ...}, "nativeToken: required"),
        ({"appId": ""}, "appId: must not be blank"),
        ({"alias": " "}, "alias: must not be blank"),
        ({"nativeToken": ""}, "nativeToken: must not be blank"),
        ({"alias": "a" * 257}, "alias: longer than 256 bytes"),
        ({"alias": "é" * 129}, "alias: longer than 256 bytes"),
        ({"nativeToken": "t" * 4097}, "nativeToken: longer than 4096 bytes"),
        ({"mobile": "1" * 33}, "mobile: longer than 32 bytes"),
        ({"tenantCode": "t" * 65}, "tenantCode: longer than 64 bytes"),
        ({"platform": "ALL"}, "platform: must be one of ANDROID, IOS, PC, WEB"),
        ({"vendor": "oppo"}, "vendor: must be upper case letters, digits and _"),
        ({"vendor": "O" * 33}, "vendor: longer than 32 bytes"),
        ({"tag": "red"}, "tag: must be a list"),
        ({"tag": [1]}, "tag: must hold only strings"),
        ({"tag": [""]}, "tag: must not hold blank entries"),
        ({"tag": ["t"] * 101}, "tag: more than 100"),
        ({"tag": ["t" * 65]}, "tag: longer than 64 bytes"),
    ],
)
def test_register_names_bad_field(client, gateway, changes, message):
    """A wrong field is named, and nothing is stored."""
    response = register(client, **changes)
    assert (response.status_code, response.json) == (400, error(40001, message))
    assert gateway.calls == []


@pytest.mark.parametrize("app_id", ["nobody", "x" * 65, "é"])
def test_register_refuses_unknown_app(client, app_id):
    """An app that does not exist is a 404, whatever its name looks like."""
    response = register(client, appId=app_id)
    assert (response.status_code, response.json) == (404, error(40403, "no such app"))


def test_unregister_answers_empty_body(client, gateway):
    """200 without a body, with or without a request body."""
    for body in (None, "{}"):
        response = client.simulate_post("/msgpush/unregister/d-1", body=body)
        assert (response.status_code, response.content) == (200, b"")
    assert gateway.named("unregister") == [("d-1",), ("d-1",)]


@pytest.mark.parametrize("device_id", ["d-9", "x" * 65, "%00", "%ff%fe"])
def test_unregister_refuses_unknown_device(client, device_id):
    """An id that never was is a 404."""
    response = client.simulate_post(f"/msgpush/unregister/{device_id}")
    assert (response.status_code, response.json) == (404, error(40401, "no such device"))
