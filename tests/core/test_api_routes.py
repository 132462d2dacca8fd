"""Mounting routes of plugins."""

import pytest
from falcon.testing import TestClient

from onepush_core.api import create_app, mount
from onepush_core.errors import ConfigurationError
from tests.core.api_doubles import RecordingGateway


class Page:
    def on_get(self, req, resp):
        resp.text = "page"


def test_mount_adds_route_of_plugin():
    """A plugin's resource answers at its path, with and without a slash at the end."""
    app = create_app(RecordingGateway())
    mount(app, [("/", Page()), ("/page/", Page())], "ws")
    client = TestClient(app)
    assert [client.simulate_get(path).text for path in ("/", "/page", "/page/")] == ["page"] * 3


@pytest.mark.parametrize(
    "path",
    ["/msgpush/send", "/msgpush/send/", "/v1/messages/{id}", "/apps/", "/apps/{x:uuid}", "/health/live"],
)
def test_mount_refuses_path_of_core(path):
    """A path of the core cannot be taken over, however it is spelt."""
    with pytest.raises(ConfigurationError, match=r"evil: the route .* is taken by the core"):
        mount(create_app(RecordingGateway()), [(path, Page())], "evil")


def test_mount_refuses_path_of_other_plugin():
    """Two plugins cannot have one path; the error names both."""
    app = create_app(RecordingGateway())
    mount(app, [("/page", Page())], "one")
    with pytest.raises(ConfigurationError, match="two: the route /page is taken by one"):
        mount(app, [("/page", Page())], "two")


@pytest.mark.parametrize("path", ["no-slash", "/a b", "/{x}/{x}"])
def test_mount_refuses_bad_path(path):
    """What Falcon cannot route stops the start, too."""
    with pytest.raises(ConfigurationError, match="evil"):
        mount(create_app(RecordingGateway()), [(path, Page())], "evil")
