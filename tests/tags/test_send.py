"""Sends to tags, through the REST path of a real gateway."""

import pytest

from harness.needs import present
from harness.process import GatewayProcess
from tests.tags.calls import reached, reached_by, tags_of


def test_send_to_tags_reaches_any_of_them(app):
    """The contract's form: a list means any of these tags, and nobody gets it twice."""
    both, one, other = (app.register("ann", tag=tags) for tags in (["tag1", "sz"], ["sz"], ["gz"]))
    app.register("ann")
    assert reached(app, "tag1", "sz") == {both, one}
    assert reached(app, "gz") == {other}
    assert reached(app, "nobody") == set()


def test_send_to_expression_reaches_whom_it_means(app):
    """An expression as text and as an object."""
    vip_sz = app.register("ann", tag=["vip", "sz"])
    vip_gz = app.register("bob", tag=["vip", "gz"])
    app.register("cy", tag=["vip", "gz", "muted"])
    app.register("dan", tag=["sz"])
    plain = app.register("eve")
    assert reached_by(app, "vip & (sz | gz) & !muted") == {vip_sz, vip_gz}
    assert reached_by(app, {"or": ["sz", "gz"], "and": ["vip"], "not": ["muted"]}) == {vip_sz, vip_gz}
    assert reached_by(app, "!(vip | sz)") == {plain}


def test_send_to_tag_delivers_to_socket(app):
    """A tagged device that is online gets the frame, another one does not."""
    tagged, other = app.register("ann", tag=["vip"]), app.register("ann")
    with app.connect(tagged) as socket, app.connect(other) as silent:
        request_id = app.send("vip", audienceType="TAG")
        assert socket.frame()["id"] == request_id
        app.await_counts(request_id, handedOff=1)
        app.send("ann")
        assert silent.frame()["id"] != request_id


def test_send_to_tag_keeps_to_app_platform_and_tenant(gateway, app):
    """The same tag in another app, on another platform or of another tenant is not meant."""
    stranger = gateway.create_app()
    stranger.register("ann", tag=["vip"])
    ios = app.register("ann", "IOS", tag=["vip"])
    north = app.register("ann", tag=["vip"], tenantCode="north")
    south = app.register("ann", tag=["vip"], tenantCode="south")
    assert reached(app, "vip") == {ios, north, south}
    assert reached(app, "vip", platform="IOS") == {ios}
    assert reached(app, "vip", tenantCode="north") == {ios, north}
    assert reached_by(app, "!none", tenantCode="south", platform="ANDROID") == {south}


def test_send_to_tag_finds_either_spelling(app):
    """A tag registered in one Unicode form is found by the other."""
    device = app.register("ann", tag=["cafe\u0301"])
    assert reached(app, "caf\u00e9") == reached(app, "cafe\u0301") == {device}


def test_register_replaces_tags(app):
    """The new list replaces the old one."""
    device = app.register("ann", token="token-of-ann", tag=["old", "both"])
    assert app.register("ann", token="token-of-ann", tag=["new", "both"]) == device
    assert reached(app, "old") == set()
    assert reached(app, "new") == reached(app, "both") == {device}


@pytest.mark.parametrize(
    ("kind", "audiences", "message"),
    [
        ("TAG", ["ok", "not ok"], "audiences[1]: character 4 (U+0020) cannot be in a tag"),
        ("TAG", {"or": ["a"]}, "audiences[0]: character 1 (U+007B) cannot be in a tag"),
        ("TAG_EXPR", ["a & & b"], 'audiences: character 5: expected a tag, "!" or "("'),
        ("TAG_EXPR", ["a", "b"], "audiences: TAG_EXPR takes one expression"),
        ("TAG_EXPR", {"and": []}, "audiences.and: must not be empty"),
    ],
)
def test_send_says_what_is_wrong_with_audience(app, kind, audiences, message):
    """A bad tag or expression is a 400 that points at it, and nothing is stored."""
    answer = app.try_send(audienceType=kind, audiences=audiences)
    assert (answer.status_code, answer.json()) == (400, {"code": 40003, "message": message})


def test_tags_wait_for_plugin(tmp_path):
    """Without the plugin a send to a tag is a 400 that names it; tags registered then work later.

    Any text is taken then, and a device that carries such a tag can register with it again.
    """
    without = GatewayProcess(tmp_path, {"plugins": {"load": present("ws")}}).start()
    try:
        app = without.create_app()
        device = app.register("ann", token="token", tag=["vip", "party people"])
        refused = app.try_send("vip", audienceType="TAG")
    finally:
        without.stop()
    message = "audienceType: no plugin resolves 'TAG' (onepush-tags is not loaded)"
    assert (refused.status_code, refused.json()) == (400, {"code": 40004, "message": message})
    with_tags = GatewayProcess(tmp_path, {"plugins": {"load": present("ws", "tags")}}).start()
    try:
        app.url = with_tags.url
        assert reached(app, "vip") == {device}
        assert app.register("ann", token="token", tag=["party people", "sz"]) == device
        assert tags_of(app, "ann") == {device: ["party people", "sz"]}
    finally:
        with_tags.stop()
