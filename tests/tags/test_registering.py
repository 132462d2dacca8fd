"""The tags that a device brings along when it registers."""

import pytest

from onepush_core import InvalidField, Registration
from onepush_tags.registering import check_tags
from tests.tags.memory import Registered, add_device, empty_store

OLD = frozenset({"vip", "party people"})


def check(tags, *, token="token1", app=1):
    """Register a device with these tags; device 1 of app 1 carries ``OLD`` from before the plugin."""
    with empty_store() as transaction:
        add_device(transaction, 1, Registered(1, "WEB", None, True, OLD))
        check_tags(Registration("ann", "WEB", token, tags=tags), app, lambda job: job(transaction))


@pytest.mark.parametrize("tags", [None, (), ("vip",), ("城市", "x" * 64)])
def test_registration_takes_tags_that_sends_can_name(tags):
    """No tags, or good ones."""
    check(tags, token="new")


def test_registration_refuses_other_tags():
    """The first bad entry is named as it stands in the request, and not repeated."""
    with pytest.raises(InvalidField, match=r"^tag\[2\]: character 2 \(U\+0021\) cannot be in a tag$"):
        check(("vip", "vip", "a!", "%"), token="new")


def test_registration_takes_what_the_device_carries():
    """Tags from before the plugin keep no device from registering again; new ones of the kind do."""
    check(("vip", "party people"))
    with pytest.raises(InvalidField, match=r"^tag\[1\]"):
        check(("party people", "party animals"))


@pytest.mark.parametrize("other", [{"token": "token2"}, {"app": 2}])
def test_registration_looks_at_its_own_device(other):
    """What another device, or that of another app, carries is no excuse."""
    with pytest.raises(InvalidField):
        check(("party people",), **other)
