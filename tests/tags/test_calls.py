"""The calls under /v1: tags of a device, tags in bulk, the list of tags, the count of an audience."""

from urllib.parse import quote

import pytest

from harness.app import read
from tests.tags.calls import call, count, error_of, tags_of


def test_put_replaces_tags_of_device(app):
    """The device has exactly the tags given, each once, in NFC."""
    device = app.register("ann", tag=["old"])
    answer = call(app, "PUT", f"/devices/{device}/tags", {"tags": ["vip", "cafe\u0301", "vip"]})
    assert read(answer) == {"deviceId": device, "tags": ["caf\u00e9", "vip"]}
    assert tags_of(app, "ann") == {device: ["caf\u00e9", "vip"]}


def test_delete_removes_tags_of_device(app):
    """All its tags are gone, those of others are not; again changes nothing."""
    device, other = app.register("ann", tag=["vip", "sz"]), app.register("ann", tag=["vip"])
    for _ in range(2):
        assert read(call(app, "DELETE", f"/devices/{device}/tags")) == {"deviceId": device, "tags": []}
    assert tags_of(app, "ann") == {device: [], other: ["vip"]}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_tags_of_device_belong_to_app(gateway, app, method):
    """Neither another app's device, nor an unregistered one, nor one that never was."""
    stranger = gateway.create_app()
    foreign, gone = stranger.register("ann", tag=["vip"]), app.register("ann", tag=["vip"])
    app.unregister(gone)
    for device in (foreign, gone, "nobody"):
        answer = call(app, method, f"/devices/{device}/tags", {"tags": ["x"]})
        assert error_of(answer) == (404, 40401, "no such device")
    assert tags_of(stranger, "ann") == {foreign: ["vip"]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "tags: required"),
        ({"tags": "vip"}, "tags: must be a list"),
        ({"tags": [1]}, "tags: must hold only strings"),
        ({"tags": ["ok", "not ok"]}, "tags[1]: character 4 (U+0020) cannot be in a tag"),
        ({"tags": [""]}, "tags[0]: a tag must not be empty"),
        ({"tags": ["x" * 65]}, "tags[0]: a tag is longer than 64 bytes"),
        ({"tags": ["x" * 10_000]}, "tags[0]: a tag is longer than 64 bytes"),
        ({"tags": [f"t{n}" for n in range(101)]}, "tags: more than 100"),
    ],
)
def test_put_says_what_is_wrong_with_tags(app, body, message):
    """A bad list is a 400 that names the entry, and the device keeps what it had."""
    device = app.register("ann", tag=["vip"])
    assert error_of(call(app, "PUT", f"/devices/{device}/tags", body)) == (400, 40001, message)
    assert tags_of(app, "ann") == {device: ["vip"]}


def test_put_takes_100_tags(app):
    """The limit itself is allowed."""
    device = app.register("ann")
    tags = sorted(f"t{n}" for n in range(100))
    assert read(call(app, "PUT", f"/devices/{device}/tags", {"tags": tags}))["tags"] == tags


def test_post_tags_devices_of_aliases(app):
    """Every registered device of the aliases gets the tag; who has it already is not counted as added."""
    one, two = app.register("ann"), app.register("ann", tag=["vip"])
    other = app.register("bob")
    app.unregister(app.register("bob"))
    answer = call(app, "POST", "/tags/vip/devices", {"aliases": ["ann", "bob", "ann", "nobody"]})
    assert read(answer) == {"tag": "vip", "matched": 3, "added": 2, "full": 0}
    assert tags_of(app, "ann") == {one: ["vip"], two: ["vip"]}
    assert tags_of(app, "bob") == {other: ["vip"]}


def test_post_tags_devices_by_id(gateway, app):
    """Only the app's own devices are found by their ids."""
    mine, foreign = app.register("ann"), gateway.create_app().register("ann")
    answer = call(app, "POST", "/tags/vip/devices", {"deviceIds": [mine, foreign, "' OR 1=1 --"]})
    assert read(answer) == {"tag": "vip", "matched": 1, "added": 1, "full": 0}


def test_post_leaves_out_full_devices(app):
    """A device with 100 tags takes no other one, and keeps those it has."""
    full = app.register("ann", tag=[f"t{n}" for n in range(100)])
    free = app.register("ann")
    counts = read(call(app, "POST", "/tags/vip/devices", {"aliases": ["ann"]}))
    assert counts == {"tag": "vip", "matched": 2, "added": 1, "full": 1}
    counts = read(call(app, "POST", "/tags/t7/devices", {"deviceIds": [full]}))
    assert counts == {"tag": "t7", "matched": 1, "added": 0, "full": 0}
    assert tags_of(app, "ann")[free] == ["vip"]


@pytest.mark.parametrize("letter", ["a", "\u00e9"])
def test_post_takes_1000_long_aliases(app, letter):
    """A thousand aliases of 256 bytes fit, however JSON writes them; a thousand and one are refused."""
    longest = letter * (256 // len(letter.encode()))
    device = app.register(longest)
    aliases = [longest, *(f"{n:04}{longest[4:]}" for n in range(999))]
    assert read(call(app, "POST", "/tags/vip/devices", {"aliases": aliases}))["added"] == 1
    answer = call(app, "POST", "/tags/vip/devices", {"aliases": [*aliases, "b"]})
    assert error_of(answer) == (400, 40001, "aliases: more than 1000")
    assert tags_of(app, longest) == {device: ["vip"]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "aliases: give either aliases or deviceIds"),
        ({"aliases": ["a"], "deviceIds": ["b"]}, "aliases: give either aliases or deviceIds"),
        ({"aliases": []}, "aliases: must not be empty"),
        ({"deviceIds": ["a", " "]}, "deviceIds[1]: must have 1 to 256 bytes and not be blank"),
        ({"deviceIds": [7]}, "deviceIds: must hold only strings"),
    ],
)
def test_post_says_what_is_wrong_with_names(app, body, message):
    """A bad body is a 400 that names the field."""
    assert error_of(call(app, "POST", "/tags/vip/devices", body)) == (400, 40001, message)


@pytest.mark.parametrize("tag", ["a/b", "devices", "a/devices", "城市", "x:y"])
def test_post_takes_any_tag_in_path(app, tag):
    """A tag stands in the path percent-encoded or as it is, slashes included."""
    app.register("ann")
    encoded = quote(tag, safe="")
    assert read(call(app, "POST", f"/tags/{encoded}/devices", {"aliases": ["ann"]}))["tag"] == tag
    assert read(call(app, "POST", f"/tags/{tag}/devices", {"aliases": ["ann"]}))["added"] == 0


def test_post_refuses_bad_tag_and_path(app):
    """What is not a tag is a 400, what does not end in /devices a 404."""
    answer = call(app, "POST", "/tags/v%25/devices", {"aliases": ["ann"]})
    assert error_of(answer) == (400, 40001, "tag: character 2 (U+0025) cannot be in a tag")
    assert call(app, "POST", "/tags/vip", {"aliases": ["ann"]}).status_code == 404
    assert call(app, "POST", "/tags/vip/devicesx", {"aliases": ["ann"]}).status_code == 404
    assert call(app, "GET", "/tags/vip/devices").status_code == 405


def test_tags_are_listed_with_counts(gateway, app):
    """Only this app's tags, by registered devices, in pages."""
    gateway.create_app().register("ann", tag=["foreign"])
    app.register("ann", tag=["b", "a"])
    app.register("bob", tag=["b", "c"])
    app.unregister(app.register("cy", tag=["b", "d"]))
    expected = [("a", 1), ("b", 2), ("c", 1)]
    page = read(call(app, "GET", "/tags"))
    assert page == {"tags": [{"tag": tag, "devices": count} for tag, count in expected], "next": None}
    found, cursor = [], {}
    while cursor is not None:
        page = read(call(app, "GET", "/tags", params={"limit": 2, **cursor}))
        found += [(one["tag"], one["devices"]) for one in page["tags"]]
        cursor = {"cursor": page["next"]} if page["next"] else None
    assert found == expected


@pytest.mark.parametrize("limit", ["0", "1001", "x", "-1", "1.0", "１"])
def test_tags_refuse_bad_limit(app, limit):
    """A limit is an integer from 1 to 1,000."""
    answer = call(app, "GET", "/tags", params={"limit": limit})
    assert error_of(answer) == (400, 40001, "limit: must be an integer from 1 to 1000")


def test_count_splits_by_platform_and_transport(gateway, app):
    """What a send would reach just now; nothing is sent."""
    connected = app.register("ann", tag=["vip"], vendor="OPPO")
    app.register("ann", tag=["vip"], vendor="OPPO")
    app.register("bob", "WEB", tag=["vip", "muted"])
    app.register("bob", "WEB")
    with app.connect(connected) as socket:
        answer = count(app, audienceType="TAG", audiences="vip")
        assert read(answer) == {
            "total": 3,
            "platforms": {"ANDROID": 2, "WEB": 1},
            "transports": {"ws": 1, "none": 2},
        }
        request_id = app.send("ann")
        assert socket.frame()["id"] == request_id


def test_count_names_transports(start_gateway):
    """A vendor that is set up is named for its devices, unless they are connected; SMS never is."""
    settings = {
        "plugins": {"load": ["ws", "oppo", "sms", "tags"]},
        "oppo": {"app_key": "key", "master_secret": "secret"},
        "sms": {"provider": "file"},
        "sms.file": {"path": "sms.log"},
    }
    gateway = start_gateway(**settings)
    app = gateway.create_app()
    connected = app.register("ann", vendor="OPPO")
    app.register("ann", vendor="OPPO", mobile="+8613900001111")
    app.register("bob", vendor="HUAWEI", mobile="+8613900001111")
    with app.connect(connected):
        found = read(count(app, audiences="ALL"))["transports"]
    assert found == {"ws": 1, "oppo": 1, "none": 1}


def test_count_takes_what_send_takes(gateway, app):
    """Every audience type, a repeated parameter as list, platform, tenant, and the object form as JSON."""
    app.register("ann", tag=["a", "b"], tenantCode="north")
    app.register("bob", "IOS", tag=["b"], tenantCode="south")
    app.register("cy", tag=["c"])
    gateway.create_app().register("ann", tag=["a", "b", "c"])

    def total(**parameters):
        return read(count(app, **parameters))["total"]

    assert total(audiences="ALL") == 3
    assert total(audiences=["ann", "bob"]) == 2
    assert total(audienceType="TAG", audiences=["a", "c"]) == 2
    assert total(audienceType="TAG_EXPR", audiences="b & !a") == 1
    assert total(audienceType="TAG_EXPR", audiences='{"not": ["b"]}') == 1
    assert total(audiences="ALL", platform="IOS") == 1
    assert total(audiences="ALL", tenantCode="north") == 2
    assert total(audienceType="TAG", audiences="b", tenantCode="north") == 1


@pytest.mark.parametrize(
    ("parameters", "code", "message"),
    [
        ({}, 40001, "audiences: must not be empty"),
        ({"audiences": "a", "platform": "TV"}, 40001, "platform: must be one of ALL, ANDROID, IOS, PC, WEB"),
        ({"audiences": "a\0"}, 40001, "audiences: must not hold NUL characters"),
        ({"audiences": "a", "tenantCode": "x" * 65}, 40001, "tenantCode: longer than 64 bytes"),
        ({"audiences": "a", "tenantCode": "a\0"}, 40001, "tenantCode: must not hold NUL characters"),
        ({"audiences": "a", "audienceType": "PLANET"}, 40004, "audienceType: no plugin resolves 'PLANET'"),
        (
            {"audiences": "a &", "audienceType": "TAG_EXPR"},
            40003,
            'audiences: character 4: expected a tag, "!" or "("',
        ),
    ],
)
def test_count_says_what_is_wrong(app, parameters, code, message):
    """The same refusals as those of a send."""
    assert error_of(count(app, **parameters)) == (400, code, message)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/devices/x/tags"),
        ("DELETE", "/devices/x/tags"),
        ("POST", "/tags/vip/devices"),
        ("GET", "/tags"),
        ("GET", "/audience/count?audiences=ALL"),
    ],
)
def test_calls_need_app_key(app, method, path):
    """Without the app's key nobody learns or changes anything."""
    for auth in (None, (app.id, "wrong"), ("nobody", app.key)):
        answer = call(app, method, path, {"tags": [], "aliases": ["ann"]}, auth=auth)
        assert error_of(answer) == (401, 40101, "unknown app or wrong key")
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="onepush"'


def test_calls_keep_tags_and_ids_out_of_log(gateway, app):
    """Neither tags nor device ids are logged, not even when something is refused."""
    device = app.register("ann", tag=["secretive-tag"])
    call(app, "PUT", f"/devices/{device}/tags", {"tags": ["secretive-tag", "%"]})
    app.try_send("secretive-tag & %", audienceType="TAG_EXPR")
    count(app, audienceType="TAG", audiences="secretive-tag")
    assert device not in gateway.log_text()
    assert "secretive" not in gateway.log_text()
