"""For plugin authors: fixtures, doubles and conformance classes. The gateway itself never imports it.

Enable the fixtures with one line in the ``pyproject.toml`` of the plugin::

    [tool.pytest.ini_options]
    addopts = ["-p", "onepush_core.testing"]

Importing this package lets gevent patch the standard library, as the command ``onepush`` does.
"""

from gevent import monkey

monkey.patch_all()

from onepush_core.testing.builders import make_device, make_message
from onepush_core.testing.conformance import (
    AudienceResolverConformance,
    AuthenticatorConformance,
    TransportConformance,
    VendorTransportConformance,
)
from onepush_core.testing.fixtures import (
    client,
    clock,
    gateway,
    gateway_settings,
    plugins,
    stage,
    start_gateway,
)
from onepush_core.testing.mail import FakeMailServer, Mail
from onepush_core.testing.manual_clock import ManualClock
from onepush_core.testing.rest_client import Client
from onepush_core.testing.stages import Stage, await_that
from onepush_core.testing.transports import RecordingSockets, RecordingTransport
from onepush_core.testing.troubles import Trouble
from onepush_core.testing.vendor import FakeVendor, Reply, Request

__all__ = [
    "AudienceResolverConformance",
    "AuthenticatorConformance",
    "Client",
    "FakeMailServer",
    "FakeVendor",
    "Mail",
    "ManualClock",
    "RecordingSockets",
    "RecordingTransport",
    "Reply",
    "Request",
    "Stage",
    "TransportConformance",
    "Trouble",
    "VendorTransportConformance",
    "await_that",
    "client",
    "clock",
    "gateway",
    "gateway_settings",
    "make_device",
    "make_message",
    "plugins",
    "stage",
    "start_gateway",
]
