"""What every transport has to keep, kept by the sockets."""

from __future__ import annotations

import socket

import pytest

from onepush_core.testing import TransportConformance, await_that
from onepush_ws import create
from onepush_ws.connection import LIVE

pytestmark = pytest.mark.once


class TestSockets(TransportConformance):
    """Devices on socket pairs: the far ends stay open and unread."""

    name = "ws"

    @pytest.fixture(autouse=True)
    def _far_ends(self):
        self.far_ends = []
        yield
        for one in self.far_ends:
            one.close()

    def make_plugin(self):
        return create({"drain_seconds": 0.1})

    def my_device(self, number):
        return {"nativeToken": f"a-phone-with-a-socket-{number}"}

    def connect(self, plugin, device):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.far_ends.append(theirs)
        hub = plugin._parts.hub
        connection = hub.adopt(ours.detach())
        hub.open(connection, device)
        await_that(lambda: connection.state == LIVE, "the backlog was not sent")
