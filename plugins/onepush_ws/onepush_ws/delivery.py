"""Delivery: one page of devices gets a frame. The loop that a broadcast spends its time in."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence

import gevent

from onepush_core import Devices, Message, Outcome, Outcomes, Status
from onepush_ws.connection import DRAINING, GONE, LIVE, Connection
from onepush_ws.hub import Hub
from onepush_ws.reports import all_written, written
from onepush_ws.sockets import send

SLICE = 128
"""Devices between two looks at the rest of the worker's work."""
PAUSE = 1e-6
"""Seconds; a timer makes the loop poll at once, ``sleep(0)`` only after fifty other callbacks."""


def deliver(hub: Hub, message: Message, devices: Devices) -> Iterator[Outcome | Outcomes]:
    """Write to the connected ones of ``devices``; those not mentioned have no connection.

    DELIVERED, or SENT when a confirm is wanted: completely written. HELD: reported later.
    """
    if not hub.connections:
        return
    for start in range(0, len(devices), SLICE):
        if start:
            gevent.sleep(PAUSE)
        if not hub.may_begin(message):
            return
        # Whole lists, so that nothing can come between a write and its outcome.
        yield from _deliver_slice(hub, message, devices, devices.keys[start : start + SLICE])


def _deliver_slice(
    hub: Hub, message: Message, devices: Devices, keys: Sequence[int]
) -> list[Outcome | Outcomes]:
    """One slice; it does not wait, so a file descriptor looked up here is still the same socket."""
    find = hub.connections.get
    plain, ios = hub.frames.of(message)
    done: list[int] = []
    outcomes: list[Outcome | Outcomes] = []
    for key in keys:
        connection = find(key)
        if connection is None:
            continue
        frame = ios if connection.ios else plain
        if connection.state != LIVE or connection.drained is not None:
            repeat = message.need_confirm and devices.attempts.get(key, 0) > 0
            outcomes += _deliver_specially(hub, connection, message, frame, repeat)
            continue
        try:
            count = send(connection.socket, frame)
        except OSError as error:
            count = 0 if error.errno == errno.EAGAIN else -1
        if count == len(frame):
            done.append(key)
        elif count < 0:
            hub.drop(connection)
        else:
            hub.queue_rest(connection, frame, message, count)
            outcomes.append(Outcome(key, Status.HELD))
    if done:
        hub.metrics.frames.inc(len(done))
        outcomes.append(all_written(message, done))
    return outcomes


def _deliver_specially(
    hub: Hub, connection: Connection, message: Message, frame: bytes, repeat: bool
) -> list[Outcome]:
    """The connection sends its backlog, or has frames waiting, or may have had the message already.

    ``repeat``: the message goes out once more for want of a confirm.
    """
    if connection.state == DRAINING:
        connection.hold(message)
    elif (not repeat and connection.has_drained(message)) or connection.holds(message):
        pass  # reported, or about to be
    elif hub.send(connection, frame, message):
        hub.metrics.frames.inc()
        return [written(message, connection.device)]
    elif connection.state == GONE:
        return []
    return [Outcome(connection.device, Status.HELD)]
