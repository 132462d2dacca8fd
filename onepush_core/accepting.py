"""Accepting a send: checked, given an id, stored. What comes after the 200 is the dispatcher's."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from onepush_core.audiences import Audiences, Source
from onepush_core.clock import Clock
from onepush_core.errors import IdempotencyInProgress, UnknownOptions
from onepush_core.ids import MessageIds
from onepush_core.objects import App, Draft, Message
from onepush_core.plugins import Plugins
from onepush_core.store import idempotency, messages
from onepush_core.store.engine import Engine
from onepush_core.store.transaction import Transaction

FIRST_ROUND = 10_000
"""Milliseconds that the first round of a message with ``duration: 0`` may take."""


class Accepting:
    """Turns drafts into stored messages. ``accepted`` is called in the order of the commits."""

    def __init__(
        self,
        engine: Engine,
        plugins: Plugins,
        audiences: Audiences,
        clock: Clock,
        accepted: Callable[[Message, Source], None],
    ) -> None:
        self._engine = engine
        self._plugins = plugins
        self._audiences = audiences
        self._clock = clock
        self._accepted = accepted
        self._ids = MessageIds()
        self._checked = bool(plugins.implementations("check_send"))
        self._running: set[tuple[int, str]] = set()

    def check(self, app: App, draft: Draft) -> Source:
        """Who is meant. Raises InvalidField, InvalidAudience, UnknownAudienceType or UnknownOptions."""
        for name in draft.options:
            if name not in self._plugins.names:
                raise UnknownOptions(f"options: {self._plugins.roster.absence(name)}")
        source = self._audiences.resolve(app, draft.selector)
        if self._checked:
            for _ in self._plugins.each("check_send", app=app, draft=draft):
                pass
        return source

    def accept(self, app: App, draft: Draft) -> str:
        """Check and store a message; its id once it is on disk."""
        source = self.check(app, draft)
        message = self._message(app, draft)
        self._engine.accept(
            lambda transaction: messages.insert_message(transaction, message),
            then=lambda key: self._accepted(msgspec.structs.replace(message, key=key), source),
        )
        return message.id

    def accept_once(self, app: App, draft: Draft, key: str, digest: bytes) -> tuple[str, bool]:
        """Check and store a message unless this key stands for one; (its id, whether that was so).

        Raises IdempotencyInProgress and IdempotencyMismatch.
        """
        source = self.check(app, draft)
        if (app.key, key) in self._running:
            raise IdempotencyInProgress()
        self._running.add((app.key, key))
        try:
            return self._accept_once(self._message(app, draft), source, key, digest)
        finally:
            self._running.discard((app.key, key))

    def _accept_once(self, message: Message, source: Source, key: str, digest: bytes) -> tuple[str, bool]:
        app = message.app.key

        def job(transaction: Transaction) -> tuple[str, int | None]:
            earlier = idempotency.find_replay(transaction, app, key, digest, message.accepted_at)
            if earlier is not None:
                return earlier, None
            stored = messages.insert_message(transaction, message)
            idempotency.remember(transaction, app, key, digest, message.id, message.accepted_at)
            return message.id, stored

        def settle(result: tuple[str, int | None]) -> None:
            if result[1] is not None:
                self._accepted(msgspec.structs.replace(message, key=result[1]), source)

        message_id, stored = self._engine.accept(job, then=settle)
        return message_id, stored is None

    def _message(self, app: App, draft: Draft) -> Message:
        now = self._clock.now()
        life = draft.duration * 1000 if draft.duration else FIRST_ROUND
        return Message(
            key=0,
            id=self._ids.new(now),
            app=app,
            accepted_at=now,
            expires_at=now + life,
            **{name: getattr(draft, name) for name in DRAFT_FIELDS},
        )


DRAFT_FIELDS = tuple(field.name for field in msgspec.structs.fields(Draft))
