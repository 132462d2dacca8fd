"""The core's own plugins keep what others have to keep."""

from __future__ import annotations

import pytest

from onepush_core import Credentials, Selector
from onepush_core.testing import AudienceResolverConformance, AuthenticatorConformance

pytestmark = pytest.mark.once


class TestKey(AuthenticatorConformance):
    """An app's id and key."""

    name = "core.key"
    # It is asked last: all that is left is taken for a key.
    test_leaves_foreign_credentials_alone = None

    def make_plugin(self):
        return None

    def right(self, client):
        return Credentials(client.id, client.key)

    def wrong(self, client):
        return [
            Credentials(client.id, client.key[:-1]),
            Credentials(client.id, ""),
            Credentials("nobody", client.key),
        ]


class Audience(AudienceResolverConformance):
    """ALL, ALIAS and DEVICE."""

    name = "core.audience"
    own_kinds = ("ALL", "ALIAS", "DEVICE")
    # What is wrong with their values, the API has found before.
    test_refuses_bad_input = None

    def make_plugin(self):
        return None

    def meant(self, number):
        return {"alias": "ann", "nativeToken": f"phone-{number}"}

    def not_meant(self, number):
        return {"alias": f"ben{number}", "nativeToken": f"tablet-{number}"}


class TestAlias(Audience):
    """A person."""

    selector = Selector("ALIAS", ("ann", "nobody"))


class TestDevice(Audience):
    """Devices by their ids, up to as many as a send may list."""

    # The API lists a thousand at most: nothing to be lazy about.
    test_is_lazy = None
    selector = Selector("DEVICE", ("no-such-device",))

    def selector_for(self, devices):
        return Selector("DEVICE", tuple(device.id for device in devices))


class TestAll(Audience):
    """The whole app, in which there is nobody who is not meant."""

    selector = Selector("ALL", ("ALL",))

    def add_not_meant(self, client, number):
        return []
