"""Which apps there are and whether a key is theirs: a cache before the store, a few seconds old at most."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

from onepush_core.objects import App
from onepush_core.store import apps
from onepush_core.store.engine import Engine
from onepush_core.store.transaction import Transaction

FRESH = 2.0
SOON = 0.5
REMEMBERED = 10_000
NOBODY = hashlib.sha256(secrets.token_bytes(32)).hexdigest()


class Known(NamedTuple):
    """An enabled app, the digests of its live keys, and when that was read."""

    app: App
    digests: list[str]
    read_at: float


def new_key() -> str:
    """A new app key: 256 random bits."""
    return secrets.token_urlsafe(32)


def digest_of(key: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _is_live(digest: str, known: Known | None) -> bool:
    """Whether this is a live key's digest; nobody's is compared too, so that it takes as long."""
    matches = [hmac.compare_digest(digest, live) for live in (known.digests if known else [NOBODY])]
    return any(matches)


class Directory:
    """Finds apps; a key that was changed or an app that was disabled elsewhere is noticed in two seconds."""

    def __init__(self, engine: Engine, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self._known: dict[str, Known] = {}

    def find(self, app_id: str) -> App | None:
        """The enabled app with this id."""
        known = self._look_up(app_id)
        return known.app if known else None

    def check(self, app_id: str, key: str) -> App | None:
        """The enabled app with this id and key; unknown app and wrong key take the same steps."""
        known = self._look_up(app_id)
        given = digest_of(key)
        if known and not _is_live(given, known) and self._monotonic() - known.read_at > SOON:
            # The key may have been made a moment ago, by a command in another process.
            self.forget(app_id)
            known = self._look_up(app_id)
        return known.app if _is_live(given, known) and known else None

    def forget(self, app_id: str) -> None:
        """Read this app anew the next time."""
        self._known.pop(app_id, None)

    def _look_up(self, app_id: str) -> Known | None:
        known = self._known.get(app_id)
        if known and self._monotonic() - known.read_at < FRESH:
            return known
        known = self._engine.read(lambda transaction: self._read(transaction, app_id))
        if known is None:
            self.forget(app_id)
            return None
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[app_id] = known
        return known

    def _read(self, transaction: Transaction, app_id: str) -> Known | None:
        found = apps.find_app(transaction, app_id)
        if found is None or not found[1]:
            return None
        return Known(found[0], apps.live_digests(transaction, found[0].key), self._monotonic())
