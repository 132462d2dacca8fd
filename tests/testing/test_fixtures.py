"""The kit's gateway and client: only the plugins given, REST without a socket, restarts on one database."""

from __future__ import annotations

import pytest

from onepush_core import ConfigurationError, Status, hookimpl
from onepush_core.testing import RecordingTransport, Stage


class Greeting:
    """A resource of a plugin."""

    def on_get(self, req, resp):
        resp.media = {"hello": "you"}


class Greeter:
    """A plugin with a route, which can hold out for something at its start."""

    def __init__(self, trouble=None):
        self.trouble = trouble
        self.stopped = False

    @hookimpl
    def startup(self, gateway):
        if self.trouble:
            raise self.trouble

    @hookimpl
    def register_routes(self, gateway):
        return [("/hello", Greeting())]

    @hookimpl
    def shutdown(self):
        self.stopped = True


@pytest.fixture
def plugins():
    return {"recorder": RecordingTransport(), "greeter": Greeter()}


@pytest.fixture
def gateway_settings():
    return {"delivery": {"queue_limit": 2}}


def test_gateway_has_the_plugins_given(gateway):
    """Those, and the core's own; none that happens to be installed."""
    assert sorted(gateway.plugins.names) == ["core.audience", "core.key", "greeter", "recorder"]


def test_gateway_has_the_settings_given(gateway):
    """The other settings are the defaults."""
    assert (gateway.settings.delivery.queue_limit, gateway.settings.delivery.deadline) == (2, 30.0)


def test_send_waits_for_the_first_round(client, plugins):
    """When ``send`` is back, every transport has answered and the ledger knows."""
    device = client.register("ann", nativeToken="t-1")
    request = client.send("ann", alert="hi")
    assert [message.alert for message in plugins["recorder"].messages] == ["hi"]
    assert client.status(request)["state"] == "finished"
    assert client.trail(request, device) == [("recorder", "sent", None)]
    assert client.device(device).token == "t-1"


def test_client_speaks_rest(client, stage):
    """Errors come as they are; the routes of plugins are there; apps are apart."""
    assert client.try_send("ann", audienceType="NO_SUCH").json["code"] == 40004
    assert client.call("GET", "/hello").json == {"hello": "you"}
    assert stage.create_client().id != client.id
    with pytest.raises(AssertionError, match="404"):
        client.status("no-such-message")


def test_client_cancels_and_unregisters(client, plugins):
    """What is pending for a device ends with either."""
    plugins["recorder"].status = Status.FAILED
    first, second = client.register("ann"), client.register("ben")
    request = client.send("ann", "ben")
    client.unregister(first)
    assert client.counts(request) == {"pending": 1, "cancelled": 1}
    assert client.cancel(request)["counts"]["cancelled"] == 2
    assert second


def test_gateway_starts_again_on_its_database(start_gateway, clock):
    """What the first one has accepted and could not deliver, the second one finishes."""
    client = start_gateway({}).create_client()
    client.register("ann")
    request = client.send("ann")
    recorder = RecordingTransport()
    start_gateway({"recorder": recorder})
    clock.advance(1)
    assert [message for message, _ in recorder.calls] == [request]


def test_failed_start_lets_go_of_the_database(tmp_path):
    """The next gateway can open it."""
    with pytest.raises(ConfigurationError, match="greeter"):
        Stage(tmp_path, {"greeter": Greeter(ConfigurationError("no license"))})
    stage = Stage(tmp_path, {"greeter": Greeter()})
    stage.stop()
    assert stage.gateway.plugins.manager.get_plugin("greeter").stopped
