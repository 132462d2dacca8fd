"""Fences: whether a worker that began something may go on with it."""

from __future__ import annotations

from typing import Protocol

from onepush_core.store.transaction import Transaction


class Fence(Protocol):
    """Whether what was begun may go on."""

    @property
    def key(self) -> int:
        """Of the worker that began it."""

    @property
    def term(self) -> int:
        """Another number after each time it was not valid for a while."""

    def is_valid(self) -> bool:
        """Whether it may go on leaving this process: no look into the store."""

    def check(self, transaction: Transaction) -> bool:
        """Whether it may be recorded; true until the end of the transaction."""


class Alone:
    """The fence of the one worker of a SQLite database, whose file lock says that it is alone."""

    key = 1
    term = 0

    def is_valid(self) -> bool:
        """Always."""
        return True

    def check(self, transaction: Transaction) -> bool:
        """Always."""
        return True


class Term:
    """What was begun now under a fence: ``holds`` as long as the fence has been valid all the time."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self._term = fence.term

    def holds(self) -> bool:
        """False when this worker may have been silent in between though it was to speak."""
        return self._fence.is_valid() and self._fence.term == self._term
