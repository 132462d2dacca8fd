"""Transports have a bit each, by which a delivery remembers whom it was offered to."""

from __future__ import annotations

from collections.abc import Sequence

from onepush_core.store.transaction import Transaction

MOST = 60


def bits_of(transaction: Transaction, names: Sequence[str]) -> dict[str, int]:
    """The bit of each transport; the same at every start. A database knows 60 transports in its life."""
    transaction.lock("transports")
    known: dict[str, int] = dict(transaction.rows("SELECT name, key FROM transport"))
    for name in names:
        if name not in known:
            known[name] = max(known.values(), default=0) + 1
            transaction.execute("INSERT INTO transport(key, name) VALUES (?, ?)", (known[name], name))
    return {name: 1 << (known[name] - 1) % MOST for name in names}
