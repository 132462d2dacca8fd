"""Calls that read much: one at a time, so that messages never wait for them."""

from base64 import b64encode

import falcon
import gevent
import pytest
from falcon.testing import TestClient
from gevent.event import Event

from harness.databases import store_settings
from onepush_core import Gateway, Overloaded
from onepush_core.plugins import load_plugins
from onepush_core.settings import Settings
from onepush_tags.plugin import TagsPlugin
from onepush_tags.resources import make_routes
from onepush_tags.turns import Turns


class Reading:
    """Takes the place of the gateway's ``read``; holds every job until it may go on."""

    def __init__(self, read):
        self.begun = 0
        self.entered = Event()
        self.go_on = Event()
        self._read = read

    def __call__(self, job):
        """Count who comes in, wait, then read."""
        self.begun += 1
        self.entered.set()
        self.go_on.wait()
        return self._read(job)


@pytest.fixture
def small_gateway(tmp_path):
    """A gateway in this process."""
    plugins = load_plugins({}, [])
    plugins.register(TagsPlugin(), "tags")
    gateway = Gateway(Settings(store=store_settings(tmp_path)), plugins=plugins)
    gateway.start()
    yield gateway
    gateway.stop()
    gateway.close()


@pytest.mark.parametrize("path", ["/v1/tags", "/v1/audience/count?audiences=ALL"])
def test_calls_that_read_much_take_turns(small_gateway, monkeypatch, path):
    """While one list or count is read, the next one has not begun; in the end both have their answer."""
    made = small_gateway.create_app("test")
    small_gateway.authenticate(made["appId"], made["appKey"])  # known from now on: no call waits for it
    api = falcon.App()
    for template, resource in make_routes(small_gateway):
        api.add_route(template, resource)
    reading = Reading(small_gateway.read)
    monkeypatch.setattr(small_gateway, "read", reading)
    pair = b64encode(f"{made['appId']}:{made['appKey']}".encode()).decode()
    client = TestClient(api, headers={"Authorization": f"Basic {pair}"})
    calls = [gevent.spawn(client.simulate_get, one) for one in ("/v1/audience/count?audiences=ALL", path)]
    assert reading.entered.wait(10)
    gevent.idle()
    assert reading.begun == 1
    reading.go_on.set()
    gevent.joinall(calls, timeout=10, raise_error=True)
    assert [call.value.status_code for call in calls] == [200, 200]
    assert reading.begun == 2


def test_turn_refuses_who_would_wait_too_long():
    """A call is told to try again rather than kept; afterwards the turn is free, also after an error."""
    turns = Turns(patience=0.01)
    with turns.take(), pytest.raises(Overloaded), turns.take():
        pass
    with pytest.raises(ZeroDivisionError), turns.take():
        raise ZeroDivisionError
    with turns.take():
        pass
