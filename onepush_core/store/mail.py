"""Mail between workers: rows that the addressee reads, and removes when it has done what they say.

PostgreSQL only. Who is dead gets no mail: the row of a worker is locked until its letter is there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from onepush_core.store.transaction import Transaction

TOGETHER = 500
RING = "onepush_mail"
"""The channel on which is told who has mail; the payload is the worker's key."""


class Letter(NamedTuple):
    """What one worker has to say to another; ``key`` rises with the letters of one sender."""

    key: int
    payload: bytes


def post(transaction: Transaction, worker: int, payload: bytes) -> None:
    """Put a letter into the box of one worker, and ring."""
    _post(transaction, "key = ?", worker, payload)


def post_all(transaction: Transaction, sender: int, payload: bytes) -> None:
    """Put a letter into the boxes of all workers but this one."""
    _post(transaction, "key <> ?", sender, payload)


def _post(transaction: Transaction, which: str, worker: int, payload: bytes) -> None:
    """NOTIFY comes with the commit, once for each worker (what is the same is folded)."""
    rows = transaction.rows(
        f"INSERT INTO mail(worker, payload) SELECT key, ? FROM worker WHERE {which} FOR KEY SHARE"
        " RETURNING worker",
        (payload, worker),
    )
    for (addressee,) in rows:
        transaction.execute("SELECT pg_notify(?, ?)", (RING, str(addressee)))


def read(transaction: Transaction, worker: int, but: Collection[int]) -> list[Letter]:
    """The oldest letters in the box but these, which were read before."""
    rows = transaction.rows(
        "SELECT key, payload FROM mail WHERE worker = ? AND NOT key IN KEYS ? ORDER BY key LIMIT ?",
        (worker, transaction.keys(list(but)), TOGETHER),
    )
    return [Letter(key, bytes(payload)) for key, payload in rows]


def remove(transaction: Transaction, keys: Sequence[int]) -> None:
    """Throw letters away."""
    transaction.execute("DELETE FROM mail WHERE key IN KEYS ?", (transaction.keys(keys),))
