"""Connection: one socket, and what waits to be written to it. Nothing per connection is ever spawned."""

from __future__ import annotations

import _socket
from array import array
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from onepush_core import Message
from onepush_ws import sockets
from onepush_ws.inbox import Inbox

# Ordered: below CLOSING the connection is its device's; from CLOSING on only the goodbye is left.
DRAINING = 0
"""The backlog is being sent; new messages wait for it."""
LIVE = 1
"""Nothing waits: frames go straight to the socket."""
CONGESTED = 2
"""Live, but the socket does not take everything at once: frames queue."""
CLOSING = 3
"""A close frame is on its way; confirms are still taken."""
DEAF = 4
"""Closing after a fault of the client: nothing it sends is looked at."""
GONE = 5
"""The socket is closed."""

TEXT_BURST, TEXT_RATE = 4000.0, 1000.0
CONTROL_BURST, CONTROL_RATE = 50.0, 10.0
"""Frames a client may send at once, and per second in the long run."""

MAX_HELD = 1000


class Pending(NamedTuple):
    """A frame in the queue; ``message`` is None for control frames and answers."""

    frame: bytes
    message: Message | None


class Connection:
    """One socket of one device. It owns ``fd``.

    ``device``, ``app``: keys. ``cursor``: key of the last message read from the backlog. ``dirty``:
    something new came while it was read. ``parked``: it goes on when the queue is flushed. ``turn``: how
    often its reading was begun anew. ``unfinished``: key of a message of which a part was written before.
    ``drained``: keys of messages from backlog and queue that the core may not know to be sent yet.
    ``held``: messages answered HELD while draining. ``queue``: frames that the socket does not take
    yet, ``offset`` bytes of the first are written, ``queued`` bytes wait. ``awaiting``: no byte came
    since the last ping; ``acked``: bytes acknowledged at that time.
    """

    __slots__ = (
        "acked", "app", "awaiting", "controls", "cursor", "device", "dirty", "drained", "fd", "held", "inbox",
        "ios", "offset", "parked", "queue", "queued", "refilled", "settling", "socket", "state", "texts",
        "turn", "unfinished",
    )  # fmt: skip

    def __init__(self, fd: int, now: float) -> None:
        self.fd = fd
        self.socket = sockets.wrap(fd)
        self.device = 0
        self.app = 0
        self.ios = False
        self.state = DRAINING
        self.cursor = 0
        self.drained: array[int] | None = None
        self.settling = False
        self.dirty = False
        self.parked = False
        self.turn = 0
        self.unfinished = 0
        self.held: deque[Message] | None = None
        self.queue: deque[Pending] | None = None
        self.queued = 0
        self.offset = 0
        self.inbox: Inbox | None = None
        self.awaiting = False
        self.acked = 0
        self.texts = TEXT_BURST
        self.controls = CONTROL_BURST
        self.refilled = now

    def send(self, frame: bytes, message: Message | None = None) -> bool:
        """Write a frame, or queue what the socket does not take.

        True: completely written. Raises OSError when the socket is dead.
        """
        if self.queue:
            self.queue.append(Pending(frame, message))
            self.queued += len(frame)
            return False
        count = write_some(self.socket, frame)
        if count == len(frame):
            return True
        self.queue_rest(frame, message, count)
        return False

    def queue_rest(self, frame: bytes, message: Message | None, count: int) -> None:
        """Begin the queue with a frame of which the socket took ``count`` bytes."""
        self.queue = deque((Pending(frame, message),))
        self.offset = count
        self.queued = len(frame) - count
        if self.state == LIVE:
            self.state = CONGESTED

    def flush(self, may_begin: Callable[[Message], bool], sent: Callable[[Message], None]) -> None:
        """Write from the queue what the socket takes. Raises OSError when the socket is dead.

        ``sent`` is called with each message that went out completely; those that may not be begun
        any more are left out.
        """
        while self.queue:
            frame, message = self.queue[0]
            if message is None or self.offset or may_begin(message):
                if not self._write_first(frame):
                    return
                if message is not None:
                    sent(message)
            else:
                self.queued -= len(frame)
            self.queue.popleft()
            self.offset = 0
        self.queue = None

    def _write_first(self, frame: bytes) -> bool:
        count = write_some(self.socket, memoryview(frame)[self.offset :] if self.offset else frame)
        self.offset += count
        self.queued -= count
        return self.offset == len(frame)

    def cut_queue(self) -> list[Message]:
        """Forget the frames not begun, and say whose they were. What was begun has to be finished."""
        if not self.queue:
            return []
        begun = self.queue.popleft() if self.offset else None
        lost = [pending.message for pending in self.queue if pending.message is not None]
        self.queue = None if begun is None else deque((begun,))
        self.queued = 0 if begun is None else len(begun.frame) - self.offset
        return lost

    def begun(self) -> Message | None:
        """The message of which a part is written, if there is one."""
        return self.queue[0].message if self.queue and self.offset else None

    def is_over(self, limit: int) -> bool:
        """True when more than ``limit`` bytes wait; one frame alone may be as large as it is."""
        return self.queued > limit and self.queue is not None and len(self.queue) > 1

    def holds(self, message: Message) -> bool:
        """True when the message waits in the queue."""
        key = message.key
        return any(waiting.message is not None and waiting.message.key == key for waiting in self.queue or ())

    def begin_turn(self) -> None:
        """Send no more for now; a page of the backlog that is being read is not sent, either."""
        self.turn += 1
        self.parked = False
        self.state = DRAINING

    def pause(self) -> None:
        """Send no more, but what was begun: the rest is for a newer connection, or comes from the backlog."""
        self.begin_turn()
        waiting = [*self.cut_queue(), *(self.held or ())]
        self.held = deque(waiting, MAX_HELD) if waiting else None

    def start_over(self) -> None:
        """Send what is pending from the first message on, but not what is on its way already."""
        self.pause()
        begun = self.begun()
        self.unfinished = begun.key if begun else 0
        self.settling = False
        self.cursor = 0

    def go_live(self) -> None:
        """The backlog is sent: frames go straight to the socket."""
        self.held = None
        self.unfinished = 0
        self.state = CONGESTED if self.queue else LIVE

    def hold(self, message: Message) -> None:
        """Remember a message that the backlog will bring."""
        self.dirty = True
        if self.held is None:
            self.held = deque(maxlen=MAX_HELD)
        self.held.append(message)

    def remember_drained(self, message: Message) -> None:
        """This message was sent from the backlog or the queue."""
        if self.drained is None:
            self.drained = array("q")
        if not self.has_drained(message):
            insort(self.drained, message.key)

    def has_drained(self, message: Message) -> bool:
        """True when the message was sent from there, as far as that is still remembered."""
        if self.drained is None:
            return False
        index = bisect_left(self.drained, message.key)
        return index < len(self.drained) and self.drained[index] == message.key

    def settle(self) -> None:
        """Called now and then: by the second time the core knows what was sent."""
        if self.settling:
            self.drained = None
        self.settling = self.drained is not None and self.state in (LIVE, CONGESTED)

    def spend(self, texts: int, controls: int, now: float) -> bool:
        """Take received frames from the client's allowance (two token buckets); False when it is used up."""
        passed = now - self.refilled
        self.refilled = now
        self.texts = min(TEXT_BURST, self.texts + passed * TEXT_RATE) - texts
        self.controls = min(CONTROL_BURST, self.controls + passed * CONTROL_RATE) - controls
        return self.texts >= 0 and self.controls >= 0


def write_some(socket: _socket.socket, data: bytes | memoryview) -> int:
    """Bytes the socket took, 0 when it is full. Raises OSError when it is dead.

    Never by its descriptor: that of a closed socket may be another device's by now.
    """
    try:
        return sockets.send(socket, data)
    except BlockingIOError:
        return 0
