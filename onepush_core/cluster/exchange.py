"""Exchange: gets words to other workers, over the bus where there is one, else through the database."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import structlog
from gevent.event import Event

from onepush_core.cluster.bus import Bus
from onepush_core.cluster.session import Session
from onepush_core.cluster.words import Notice, Word, decode, encode
from onepush_core.errors import OnepushError
from onepush_core.fences import Fence
from onepush_core.store import mail
from onepush_core.store.engine import Engine
from onepush_core.store.transaction import Transaction
from onepush_core.store.writer import FIRST

log = structlog.get_logger("onepush.cluster")
LOOK = 1.0
"""Seconds between two looks into the box, when nobody rings."""


class Exchange:
    """Sends words, and hands those that come to ``hear``, one after the other."""

    def __init__(
        self, engine: Engine, session: Session, bus: Bus | None, hear: Callable[[Word], object]
    ) -> None:
        self._engine = engine
        self._session = session
        self._bus = bus
        self._hear = hear
        self._rung = Event()
        self._heard: set[int] = set()

    def start(self) -> None:
        """Listen under the session's key."""
        if self._bus is not None:
            self._bus.start(self._session.lease.key, self._receive)

    def tell(self, worker: int, word: Word, fence: Fence | None = None) -> None:
        """Say this to one worker. Does not wait; it may get lost. ``fence``: see ``post``."""
        if self._bus is None or not self._bus.publish(worker, encode(word)):
            self.post(worker, word, fence)

    def post(self, worker: int, word: Word, fence: Fence | None = None) -> None:
        """Say this through the database: slower, and lost only with the worker. Does not wait.

        ``fence``: on whose behalf; it is not said when that one was given up meanwhile.
        """
        payload = encode(word)

        def job(transaction: Transaction) -> None:
            if fence is None or fence.check(transaction):
                mail.post(transaction, worker, payload)

        self._engine.keep(job, place=FIRST)

    def post_all(self, transaction: Transaction, notice: Notice) -> None:
        """Say this to all others if the transaction is committed; it gets lost with a worker only."""
        mail.post_all(transaction, self._session.lease.key, encode(notice))

    def ring(self) -> None:
        """There is mail."""
        self._rung.set()

    def run(self) -> None:
        """Take mail out of the box, for ever."""
        while True:
            self._rung.wait(LOOK)
            self._rung.clear()
            try:
                self.empty_box()
            except Exception as error:
                expected = isinstance(error, OnepushError)
                log.error("mail_not_read", error=type(error).__name__, exc_info=not expected)
                gevent.sleep(LOOK)

    def empty_box(self) -> None:
        """Hear all letters that are there (waits). Raises StoreUnavailable.

        They are removed afterwards, so a failure in between has them heard again rather than not at all.
        """
        key = self._session.lease.key
        while found := self._engine.read(lambda transaction: mail.read(transaction, key, self._heard)):
            letters = [letter for letter in found if letter.key not in self._heard]  # two may read at once
            self._heard.update(letter.key for letter in letters)
            for letter in letters:
                self._receive(letter.payload)
            self._remove([letter.key for letter in letters])

    def _remove(self, keys: list[int]) -> None:
        def settle(_: None, error: BaseException | None) -> None:
            if error is None:
                self._heard.difference_update(keys)
            else:
                gevent.spawn_later(LOOK, self._remove, keys)

        if keys:
            self._engine.submit(lambda transaction: mail.remove(transaction, keys), settle, place=FIRST)

    def _receive(self, payload: bytes) -> None:
        word = decode(payload)
        if word is None:
            log.warning("word_not_understood")
            return
        try:
            self._hear(word)
        except Exception as error:
            log.error("word_failed", word=type(word).__name__, error=type(error).__name__)
