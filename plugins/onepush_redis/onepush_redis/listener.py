"""Payloads that come in: one greenlet reads them off the subscription, another hands them on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
import msgspec
import structlog
from gevent.event import Event

from onepush_redis.bounded import BoundedQueue
from onepush_redis.link import Link
from onepush_redis.metrics import Metrics
from onepush_redis.names import Names

log = structlog.get_logger("onepush.redis")
TURN = 32
"""Payloads handed on before others get their turn."""
_decode = msgspec.msgpack.Decoder(list[bytes]).decode


class Inbox:
    """Hands payloads to ``receive``, one after the other. One for all lives of a worker."""

    def __init__(self, queue: BoundedQueue[bytes], metrics: Metrics) -> None:
        self._queue = queue
        self._metrics = metrics
        self._receive: Callable[[bytes], object] | None = None
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self, receive: Callable[[bytes], object]) -> None:
        """Give payloads to this one from now on; those that wait were for somebody else."""
        self._queue.clear()
        self._receive = receive
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def put(self, message: bytes) -> None:
        """Take what was published for this worker. Never waits; what there is no room for is lost."""
        try:
            payloads = _decode(message)
        except msgspec.MsgspecError:
            self._metrics.dropped.labels("unreadable").inc()
            return
        for payload in payloads:
            if not self._queue.put(payload, len(payload)):
                self._metrics.dropped.labels("inbox_full").inc()

    def stop(self) -> None:
        """Hand on nothing more."""
        if self._greenlet is not None:
            self._greenlet.kill(block=False)

    def _run(self) -> None:
        handed = 0
        while True:
            self._queue.wait()
            for payload in self._queue.take(0):
                self._hand_on(payload)
                handed += 1
            if handed % TURN == 0:
                gevent.sleep(0)

    def _hand_on(self, payload: bytes) -> None:
        self._metrics.received.inc()
        try:
            assert self._receive is not None
            self._receive(payload)
        except Exception as error:
            log.error("payload_failed", error=type(error).__name__)


class Echoes:
    """Words to ourselves that are on their way through the server."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, Event] = {}

    @contextmanager
    def expect(self, token: bytes) -> Iterator[Event]:
        """An Event that is set when this word comes back."""
        self._waiting[token] = event = Event()
        try:
            yield event
        finally:
            del self._waiting[token]

    def heard(self, token: bytes) -> None:
        """This word came back."""
        if event := self._waiting.get(token):
            event.set()


class Listener:
    """Reads the channels of one worker. After ``patience`` seconds of silence the link is dead."""

    def __init__(self, worker: int, names: Names, inbox: Inbox, echoes: Echoes, patience: float) -> None:
        self._mail = names.mail(worker)
        self._echo = names.echo(worker)
        self._inbox = inbox
        self._echoes = echoes
        self._patience = patience
        self._ended = False

    def work(self, link: Link) -> None:
        """Listen until ``end``."""
        link.send(("SUBSCRIBE", self._mail, self._echo))
        mail, echo = self._mail.encode(), self._echo.encode()
        while not self._ended:
            kind, channel, data = link.read(self._patience)
            if kind != b"message":
                continue
            if channel == mail:
                self._inbox.put(data)
            elif channel == echo:
                self._echoes.heard(data)

    def end(self) -> None:
        """Take nothing more."""
        self._ended = True
