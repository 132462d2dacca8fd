"""The plugin in a gateway of its own: its settings, and tags that change while a message is dispatched."""

import pytest

from harness.databases import store_settings
from harness.waiting import eventually
from onepush_core import ConfigurationError, Gateway, Outcome, Selector, Status, hookimpl
from onepush_core.objects import Draft, Registration
from onepush_core.plugins import load_plugins
from onepush_core.settings import DeliverySettings, Settings
from onepush_tags import TagsPlugin, create
from onepush_tags.store import replace_tags


class Taker:
    """A transport that takes everybody, and does something when it is asked for the first time."""

    def __init__(self):
        self.taken = []
        self.at_first = lambda: None

    @hookimpl(tryfirst=True)
    def deliver(self, devices):
        """Remember whose turn it was."""
        if not self.taken:
            self.at_first()
        self.taken += [device.key for device in devices]
        return [Outcome(device.key, Status.DELIVERED) for device in devices]


@pytest.fixture
def taker():
    """The transport of ``small_gateway``."""
    return Taker()


@pytest.fixture
def small_gateway(tmp_path, taker):
    """A gateway in this process that reads few devices at a time."""
    plugins = load_plugins({}, [])
    plugins.register(taker, "taker")
    plugins.register(TagsPlugin(), "tags")
    gateway = Gateway(
        Settings(store=store_settings(tmp_path), delivery=DeliverySettings(page_size=1)), plugins=plugins
    )
    gateway.start()
    yield gateway
    gateway.stop()
    gateway.close()


def test_tag_change_during_send_counts_from_next_page(small_gateway, taker):
    """Whether a device carries the tag is decided when its page is read, not when the send is accepted."""
    made = small_gateway.create_app("test")
    app = small_gateway.authenticate(made["appId"], made["appKey"])
    ids = [
        small_gateway.register(
            app.id, Registration("ann", "WEB", f"token{n}", tags=("vip",) if n < 40 else ())
        )
        for n in range(41)
    ]
    keys = [small_gateway.find_device(device_id).key for device_id in ids]

    def change():
        for place, tags in ((0, []), (39, []), (40, ["vip"])):
            small_gateway.write(lambda t, place=place, tags=tags: replace_tags(t, app.key, ids[place], tags))
        small_gateway.register(app.id, Registration("ann", "WEB", "too late", tags=("vip",)))

    taker.at_first = change
    request_id, _ = small_gateway.send(app, Draft("hello", Selector("TAG", ("vip",))))
    eventually(lambda: small_gateway.status(app, request_id)["state"] == "finished")
    assert sorted(taker.taken) == [*keys[:39], keys[40]]


def test_settings_refuse_unknown_key():
    """The plugin has no settings yet; a key is named, its value is not."""
    with pytest.raises(ConfigurationError, match=r"\[tags\] colour: unknown setting"):
        create({"colour": "red"})
