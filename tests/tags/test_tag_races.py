"""Two processes at one PostgreSQL that change the tags of the same devices."""

from functools import partial

import pytest

from harness.races import new_app, overlap, two_gateways
from onepush_core.objects import Registration
from onepush_core.store import devices
from onepush_tags.store import Meant, replace_tags, tag_devices

pytestmark = pytest.mark.once
NOW = 1_800_000_000_000


@pytest.fixture
def pair(tmp_path):
    with two_gateways(tmp_path) as made:
        yield made


@pytest.fixture
def app(pair):
    return new_app(pair[0])


def register(app, alias, tags, transaction):
    registration = Registration(alias, "WEB", "token", tags=tags)
    return devices.register(transaction, app.key, registration, "device", NOW)[1]


def tags_of(gateway, device):
    return gateway.read(lambda transaction: devices.tags_of(transaction, device))


def test_tags_of_two_calls_do_not_mix(pair, app):
    """Two calls that give a device its tags: it has those of the later one."""
    one, two = pair
    device = one.write(partial(register, app, "ann", ()))

    def give(tags, transaction):
        return replace_tags(transaction, app.key, "device", tags)

    overlap(one.engine, two.engine, partial(give, ["a", "b"]), lambda: two.write(partial(give, ["c"])))
    assert tags_of(one, device) == ["c"]


def test_bulk_tag_leaves_a_device_that_changes_hands_meanwhile(pair, app):
    """Ann's devices are tagged while one of them becomes Ben's: his has no tag of hers."""
    one, two = pair
    device = one.write(partial(register, app, "ann", ()))
    members = Meant("d.app = ? AND d.alias IN (?)", (app.key, "ann"))

    def tag(transaction):
        return tag_devices(transaction, app.key, "vip", members, [device])

    _, done = overlap(one.engine, two.engine, partial(register, app, "ben", ()), lambda: two.write(tag))
    assert done == (0, 0, 0)
    assert tags_of(one, device) == []


def test_bulk_tags_stay_within_the_bound(pair, app, monkeypatch):
    """Two calls find room for one more tag: one of them takes it, the other tells that the device is full."""
    monkeypatch.setattr("onepush_tags.store.MAX_PER_DEVICE", 1)
    one, two = pair
    device = one.write(partial(register, app, "ann", ()))
    members = Meant("d.app = ? AND d.alias IN (?)", (app.key, "ann"))

    def tag(name, transaction):
        return tag_devices(transaction, app.key, name, members, [device])

    first, second = overlap(one.engine, two.engine, partial(tag, "a"), lambda: two.write(partial(tag, "b")))
    assert (first, second) == ((1, 1, 0), (1, 0, 1))
    assert tags_of(one, device) == ["a"]
