"""Hub: who is connected. Opens and closes connections, and moves bytes between them and the rest.

Every method runs in gevent's hub or in a greenlet and none waits, so each is atomic for the others.
A message in hand of a connection (HELD) is always reported: written, or lost with the connection.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from onepush_core import Device, Gateway, Message
from onepush_ws import sockets
from onepush_ws.connection import CLOSING, CONGESTED, DEAF, DRAINING, GONE, LIVE, Connection
from onepush_ws.frames import FrameCache
from onepush_ws.metrics import Metrics
from onepush_ws.poller import Poller
from onepush_ws.protocol import FAULTS, CloseCode, close_frame, close_label
from onepush_ws.reports import Reports, lost, written
from onepush_ws.settings import Settings

LINGER = 2.0
"""Seconds a closing socket has to take the close frame and hang up (RFC 6455, section 7.1.1)."""


MEMORY = 30.0
"""Seconds for which a device that is gone is known to have got what the backlog brought."""


class Ended(NamedTuple):
    """A connection that has ended, and until when (monotonic seconds) something of it is kept."""

    until: float
    connection: Connection


class Hub:
    """The connections of this worker, by device key and by file descriptor.

    ``removals`` counts devices removed, for those who were reading the store meanwhile.
    ``drain``: called with a connection whose backlog may be sent (further). ``poller``: see there.
    """

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        poller: Poller,
        reports: Reports,
        metrics: Metrics,
        drain: Callable[[Connection], None],
    ) -> None:
        self.connections: dict[int, Connection] = {}
        self.sockets: dict[int, Connection] = {}
        self.lingering: deque[Ended] = deque()
        self._remembered: OrderedDict[int, Ended] = OrderedDict()
        self.stopping = False
        self.removals = 0
        self.frames = FrameCache()
        self.metrics = metrics
        self.reports = reports
        self._gateway = gateway
        self._settings = settings
        self._poller = poller
        self._drain = drain

    def is_full(self, device: int) -> bool:
        """True when no connection of one more device is taken; who is here may come again."""
        return len(self.connections) >= self._settings.max_connections and device not in self.connections

    # --- opening and closing ---------------------------------------------------------------------

    def adopt(self, fd: int) -> Connection:
        """Take a socket over; it belongs to no device yet."""
        connection = Connection(fd, self._gateway.clock.monotonic())
        self.sockets[fd] = connection
        self._poller.add(fd)
        return connection

    def open(self, connection: Connection, device: Device) -> None:
        """Make this the one connection of a device; an older one is closed."""
        connection.device = device.key
        connection.app = device.app
        connection.ios = device.platform == "IOS"
        older = self.connections.get(device.key)
        self.connections[device.key] = connection
        if older is not None:
            self.close(older, CloseCode.REPLACED, "replaced by a newer connection")
        if device.key in self._remembered:
            connection.drained = self._remembered.pop(device.key).connection.drained
        self._gateway.presence.add(device.key)
        self._drain(connection)

    def close(self, connection: Connection, code: int, reason: str = "", frame: bytes | None = None) -> None:
        """Say goodbye: close frame, half-close, and a moment for the client to hang up.

        ``frame``: the close frame, when there is one already. Closing twice does nothing.
        """
        if connection.state >= CLOSING:
            return
        self._leave(connection, code)
        connection.state = DEAF if code in FAULTS else CLOSING
        until = self._gateway.clock.monotonic() + LINGER
        self.lingering.append(Ended(until, connection))
        # A hard close now might destroy the close frame under way.
        if self.send(connection, frame or close_frame(code, reason)):
            sockets.half_close(connection.fd)

    def drop(self, connection: Connection, code: int = CloseCode.ABNORMAL) -> None:
        """Close the socket without a word. Dropping twice does nothing."""
        if connection.state == GONE:
            return
        if connection.state < CLOSING:
            self._leave(connection, code)
        self._lose(connection, [connection.begun()])
        connection.state = GONE
        connection.inbox = connection.queue = None
        del self.sockets[connection.fd]
        self._poller.remove(connection.fd)
        connection.socket.close()

    def drop_late(self) -> None:
        """Cut off the closing connections whose time is up, and forget those long gone."""
        now = self._gateway.clock.monotonic()
        while self.lingering and self.lingering[0].until <= now:
            self.drop(self.lingering.popleft().connection)
        while self._remembered and next(iter(self._remembered.values())).until <= now:
            self._remembered.popitem(last=False)

    def close_device(self, device: int) -> None:
        """The device was unregistered."""
        self.removals += 1
        connection = self.connections.get(device)
        if connection is not None:
            self.close(connection, CloseCode.UNKNOWN_DEVICE, "device unregistered")

    def close_moved(self, device: int) -> None:
        """The device has connected to another worker; what it got here is reported at once."""
        connection = self.connections.get(device)
        if connection is not None:
            self.close(connection, CloseCode.REPLACED, "replaced by a newer connection")
        self.reports.flush()

    def start_over(self) -> None:
        """This worker was silent for a while: read every backlog again, as if all had connected just now."""
        self.reports.flush()
        for connection in self.connections.values():
            self._start_over(connection)

    def pause(self, device: int) -> None:
        """The device is about to connect once more: what is offered waits for its newer connection."""
        connection = self.connections.get(device)
        if connection is not None:
            connection.pause()

    def resume(self, device: int) -> None:
        """It does not come: the connection goes on from its backlog."""
        connection = self.connections.get(device)
        if connection is not None:
            self.reports.flush()
            self._start_over(connection)

    def _start_over(self, connection: Connection) -> None:
        connection.start_over()
        self._drain(connection)

    def forget_queue(self, device: int) -> None:
        """The device belongs to another person now: what waits for the one before is not sent any more."""
        connection = self.connections.get(device)
        if connection is None:
            return
        connection.cut_queue()
        connection.held = None
        if connection.state == DRAINING:
            connection.begin_turn()
            self._drain(connection)

    def _leave(self, connection: Connection, code: int) -> None:
        """The connection is no longer its device's; a newer one of the device stays untouched."""
        self.metrics.closes.labels(close_label(code)).inc()
        self._remember(connection)
        unsent = connection.cut_queue()
        if connection.held is not None:
            unsent += [message for message in connection.held if message.key > connection.cursor]
            connection.held = None
        if self.connections.get(connection.device) is connection:
            del self.connections[connection.device]
            self._gateway.presence.discard(connection.device)
        self._lose(connection, unsent)

    def _remember(self, connection: Connection) -> None:
        """What was drained may be offered for the first time when the device is back already."""
        if connection.drained is not None:
            until = self._gateway.clock.monotonic() + MEMORY
            self._remembered.pop(connection.device, None)
            self._remembered[connection.device] = Ended(until, connection)

    def _lose(self, connection: Connection, messages: Iterable[Message | None]) -> None:
        """Report messages that a connection will not send any more; a newer connection brings them itself."""
        if connection.device in self.connections:
            return
        for message in {message.key: message for message in messages if message is not None}.values():
            self.reports.add(message, lost(connection.device))

    # --- writing ---------------------------------------------------------------------------------

    def may_begin(self, message: Message) -> bool:
        """False when the message has expired or was cancelled, or another worker sends in our place."""
        return bool(self._gateway.may_leave(message))

    def send(self, connection: Connection, frame: bytes, message: Message | None = None) -> bool:
        """Write or queue a frame; True: completely written. Closes a reader too slow, drops a dead one."""
        try:
            if connection.send(frame, message):
                return True
        except OSError:
            self.drop(connection)
            return False
        self._wait_for_room(connection)
        return False

    def queue_rest(self, connection: Connection, frame: bytes, message: Message, count: int) -> None:
        """Queue a frame of which the socket took only ``count`` bytes."""
        connection.queue_rest(frame, message, count)
        self._wait_for_room(connection)

    def _wait_for_room(self, connection: Connection) -> None:
        self._poller.want_write(connection.fd, True)
        if connection.is_over(self._settings.out_bytes):
            self.close(connection, CloseCode.TRY_AGAIN_LATER, "slow reader")

    def send_backlog(self, connection: Connection, message: Message) -> None:
        """Write or queue a message from the backlog."""
        if not self.may_begin(message):
            return
        frames = self.frames.of(message)
        if self.send(connection, frames.ios if connection.ios else frames.plain, message):
            self._sent(connection, message)

    def flush(self, connection: Connection) -> None:
        """The socket takes bytes again."""
        try:
            connection.flush(self.may_begin, partial(self._sent, connection))
        except OSError:
            self.drop(connection)
            return
        if connection.queue is None:
            self._flushed(connection)

    def _flushed(self, connection: Connection) -> None:
        self._poller.want_write(connection.fd, False)
        if connection.state == CONGESTED:
            connection.state = LIVE
        elif connection.state >= CLOSING:
            sockets.half_close(connection.fd)
        elif connection.parked:
            connection.parked = False
            self._drain(connection)

    def _sent(self, connection: Connection, message: Message) -> None:
        """A message from backlog or queue went out completely; the core hears of it a little later."""
        self.metrics.frames.inc()
        connection.remember_drained(message)
        if connection.state >= CLOSING and connection.device in self.connections:
            return  # replaced: nobody may read the old socket any more, and the new one gets it anyway
        self.reports.add(message, written(message, connection.device))
