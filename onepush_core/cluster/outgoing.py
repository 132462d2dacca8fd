"""Outgoing: devices whose connections another worker holds are handed to that worker, a page at a time.

What is handed over stays pending in the ledger and comes due again a little later, so a lost word costs
that time. The receiver records what became of its devices itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from onepush_core.cluster.exchange import Exchange
from onepush_core.cluster.registry import Registry
from onepush_core.cluster.session import Session
from onepush_core.cluster.words import Place, hand_over
from onepush_core.errors import LeaseLost
from onepush_core.fences import Fence
from onepush_core.objects import Message


class Outgoing:
    """Finds out who holds the sockets of devices, and hands them over.

    ``term(app)``: how often the app's lane had changed hands when this worker took it.
    """

    def __init__(
        self, session: Session, registry: Registry, exchange: Exchange, term: Callable[[int], int]
    ) -> None:
        self._term = term
        self._session = session
        self._registry = registry
        self._exchange = exchange
        self._numbers: dict[int, int] = defaultdict(int)

    def find_holders(self, devices: Sequence[int]) -> dict[int, int]:
        """Which other worker holds which of these devices (waits). Raises StoreUnavailable."""
        own = self._session.lease.key
        found = self._registry.find(devices)
        return {device: worker for device, worker in found.items() if worker != own}

    def hand_over(
        self,
        message: Message,
        holders: Mapping[int, int],
        attempts: Mapping[int, int] | None,
        fence: Fence,
        at: int = 0,
    ) -> None:
        """Have these devices (to worker) offered there. Does not wait.

        ``attempts``: how often each was handed the message before; None: this is its first delivery. ``at``:
        when the page was stored. Raises LeaseLost.
        """
        if not fence.is_valid():
            raise LeaseLost
        by_worker: dict[int, list[int]] = {}
        for device, worker in holders.items():
            by_worker.setdefault(worker, []).append(device)
        for worker, keys in by_worker.items():
            keys.sort()
            known = None if attempts is None else [attempts.get(key, 0) for key in keys]
            place = self._place(worker, message.app.key, known, at)
            word = hand_over(fence.key, worker, message, keys, known, place)
            # What comes due again was not heard of: the fast way may have lost it, and could do so again.
            say = self._exchange.tell if attempts is None else self._exchange.post
            say(worker, word, fence)

    def _place(self, worker: int, app: int, attempts: Sequence[int] | None, at: int) -> Place:
        """Repetitions have none: they are missed by nobody, and look like gaps where they go another way."""
        if attempts and all(attempts):
            return Place()
        self._numbers[worker] += 1
        return Place(self._numbers[worker], at, self._term(app))

    def forget_all(self) -> None:
        """This worker goes on under a new key, and counts anew."""
        self._numbers.clear()

    def forget(self, workers: set[int]) -> None:
        """These workers are gone."""
        for worker in workers:
            self._numbers.pop(worker, None)
