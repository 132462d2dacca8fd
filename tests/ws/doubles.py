"""A gateway of plain memory, for the plugin alone: devices, pending messages, and what was reported."""

from __future__ import annotations

import json
import socket
from types import SimpleNamespace

import msgspec
from prometheus_client import CollectorRegistry

from onepush_core import App, Device, Devices, Message, Outcome, Outcomes, Status
from onepush_core.testing import ManualClock
from onepush_ws.delivery import deliver
from onepush_ws.drain import Drain
from onepush_ws.hub import Hub
from onepush_ws.metrics import Metrics
from onepush_ws.poller import Poller
from onepush_ws.reader import Reader
from onepush_ws.reports import Reports
from onepush_ws.settings import read_settings

APP = App(key=7, id="app-7", name="seven")
HOUR = 3_600_000


class FakePresence(set):
    """Device keys."""

    def announce(self, device):
        """There is no other worker to be told."""

    def renounce(self, device):
        """Nor now."""

    def when_alone(self, device, callback):
        """Nobody else sends it anything."""
        callback()


class FakeGateway:
    """What the plugin calls of a Gateway. ``before_backlog`` runs inside each backlog read."""

    def __init__(self, clock=None):
        self.clock = clock or ManualClock()
        self.presence = FakePresence()
        self.metrics = SimpleNamespace(registry=CollectorRegistry())
        self.devices = {}
        self.messages = {}
        self.pending = {}
        self.cancelled = set()
        self.records = []
        self.confirms = []
        self.callbacks = {}
        self.before_backlog = lambda: None
        self.before_find = lambda: None

    def add_device(self, platform="ANDROID"):
        key = len(self.devices) + 1
        device = Device(key=key, id=f"device-{key}", app=APP.key, alias="a", platform=platform, token="t")
        self.devices[device.id] = device
        self.pending[key] = []
        return device

    def add_message(self, *devices, **fields):
        """A message, pending for these devices."""
        key = len(self.messages) + 1
        now = self.clock.now()
        fields = {"alert": f"alert {key}", "expires_at": now + HOUR, "accepted_at": now, **fields}
        message = Message(key=key, id=f"message-{key}", app=APP, **fields)
        self.messages[key] = message
        for device in devices:
            self.pending[device.key].append(message)
        return message

    def find_device(self, device_id):
        found = self.devices.get(device_id)
        self.before_find()
        return found

    def backlog(self, device, after, limit):
        now = self.clock.now()
        page = [one for one in self.pending[device] if one.key > after and one.expires_at > now][:limit]
        self.before_backlog()
        return page

    def record(self, transport, message, outcomes):
        self.records.append((message, list(outcomes)))
        for outcome in outcomes:
            self.settle(message, outcome)

    def settle(self, message, outcome):
        if outcome.status is Status.DELIVERED:
            self.pending[outcome.device] = [
                one for one in self.pending[outcome.device] if one.key != message.key
            ]

    def confirm(self, transport, message_id, device):
        self.confirms.append((message_id, device))
        self.end(message_id, device)

    def end(self, message_id, device):
        self.pending[device] = [one for one in self.pending[device] if one.id != message_id]

    def is_cancelled(self, message):
        return message.key in self.cancelled

    def may_leave(self, message):
        return self.clock.now() < message.expires_at and not self.is_cancelled(message)

    def on(self, event, callback):
        self.callbacks[event] = callback

    def remove_device(self, device):
        del self.devices[device.id]
        self.callbacks["device_removed"](device.key)

    def recorded(self, device):
        """(message key, status) of what was reported for a device, in order."""
        return [
            (message.key, outcome.status)
            for message, outcomes in self.records
            for outcome in outcomes
            if outcome.device == device.key
        ]


def attempted(device, attempts):
    """The device as it is offered again."""
    return msgspec.structs.replace(device, attempts=attempts)


class Bench:
    """The plugin's parts on socket pairs: nothing runs by itself, a test makes every step.

    Reports are handed over by ``flush_reports``, backlogs sent by ``drain_all``.
    """

    def __init__(self, **settings):
        self.gateway = FakeGateway()
        self.poller = Poller()
        self.waiting = []
        self.reports = Reports(self.gateway, lambda _action: None)
        metrics = Metrics(self.gateway.metrics.registry)
        self.settings = read_settings(settings)
        self.hub = Hub(self.gateway, self.settings, self.poller, self.reports, metrics, self.waiting.append)
        self.reader = Reader(self.hub, self.gateway)
        self.drain = Drain(self.gateway)
        self.drain.add = self.waiting.append
        self.peers = []

    def open(self, device, *, narrow=False):
        """Connect a device; its connection, still draining, and the device's end of the socket.

        ``narrow``: over TCP with small buffers, where a large frame goes out in parts.
        """
        ours, theirs = narrow_pair() if narrow else socket.socketpair()
        ours.setblocking(False)
        connection = self.hub.adopt(ours.detach())
        self.peers.append(theirs)
        self.hub.open(connection, device)
        return connection, theirs

    def open_live(self, device, *, narrow=False):
        """Connect a device and send its backlog."""
        connection, theirs = self.open(device, narrow=narrow)
        self.drain_all()
        return connection, theirs

    def drain_page(self):
        """One page of the connection whose turn it is."""
        if self.waiting:
            self.drain.send_page(self.hub, self.waiting.pop(0))

    def drain_all(self):
        """All pages of all connections."""
        while self.waiting:
            self.drain_page()

    def deliver(self, message, *devices):
        """The outcomes by device key, recorded as the core would."""
        outcomes = one_by_one(deliver(self.hub, message, Devices.of(devices)))
        for outcome in outcomes:
            self.gateway.settle(message, outcome)
        return {outcome.device: outcome for outcome in outcomes}

    def pump(self, connection, peer):
        """Read at the device's end until nothing waits any more; the bytes read."""
        data = b""
        while connection.queue or self.waiting:
            if connection.queue:
                peer.settimeout(5)
                data += peer.recv(1 << 16)
                self.hub.flush(connection)
            self.drain_all()
        return data

    def close(self):
        """Close all sockets."""
        for connection in list(self.hub.sockets.values()):
            self.hub.drop(connection)
        for peer in self.peers:
            peer.close()
        self.poller.close()


def one_by_one(outcomes):
    """Outcomes of several devices as one for each."""
    flat = []
    for outcome in outcomes:
        if isinstance(outcome, Outcomes):
            fields = (outcome.status, outcome.reason, outcome.retry_after, outcome.again)
            flat += [Outcome(device, *fields) for device in outcome.devices]
        else:
            flat.append(outcome)
    return flat


def narrow_pair():
    """Both ends of a TCP connection that takes only some kilobytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.socket()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        theirs.connect(listener.getsockname())
        ours, _ = listener.accept()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return ours, theirs


def read_ids(peer):
    """Ids of the messages that a device has received so far; a frame at the end may be cut."""
    return [message["id"] for message in parse_frames(read_available(peer))]


def read_available(peer):
    """The bytes that a device has received so far."""
    peer.setblocking(False)
    data = b""
    try:
        while chunk := peer.recv(1 << 20):
            data += chunk
    except BlockingIOError:
        pass
    return data


def parse_frames(data):
    """The JSON texts of the complete text frames in ``data``."""
    while len(data) >= 2:
        length, start = data[1], 2
        if length == 126:
            length, start = int.from_bytes(data[2:4]), 4
        elif length == 127:
            length, start = int.from_bytes(data[2:10]), 10
        if len(data) < start + length:
            return
        if data[0] == 0x81:
            yield json.loads(data[start : start + length])
        data = data[start + length :]
