"""Reports: what became of frames that were not written at once, told to the core in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from onepush_core import Gateway, Message, Outcome, Outcomes, Status

log = structlog.get_logger("onepush.ws")

TRANSPORT = "ws"
"""The plugin's name in the core: its entry point."""
LOST_RETRY = 1.0
"""Seconds after which a message whose connection was lost may be offered again."""


def written(message: Message, device: int) -> Outcome:
    """The outcome of a complete write to a device's socket."""
    if message.need_confirm:
        return Outcome(device, Status.SENT, again=True)
    return Outcome(device, Status.DELIVERED)


def all_written(message: Message, devices: Sequence[int]) -> Outcomes:
    """The same for many devices."""
    if message.need_confirm:
        return Outcomes(devices, Status.SENT, again=True)
    return Outcomes(devices, Status.DELIVERED)


def lost(device: int) -> Outcome:
    """The outcome of a frame that was in hand when its connection closed."""
    return Outcome(device, Status.FAILED, "connection closed", LOST_RETRY)


class Reports:
    """Collects outcomes by message; ``schedule`` is called when the first of a batch comes in."""

    def __init__(self, gateway: Gateway, schedule: Callable[[Callable[[], None]], object]) -> None:
        self._gateway = gateway
        self._schedule = schedule
        self._batch: dict[int, tuple[Message, list[Outcome]]] = {}

    def add(self, message: Message, outcome: Outcome) -> None:
        """Report this with the next batch."""
        if not self._batch:
            self._schedule(self.flush)
        entry = self._batch.get(message.key)
        if entry is None:
            self._batch[message.key] = (message, [outcome])
        else:
            entry[1].append(outcome)

    def flush(self) -> None:
        """Hand the batch to the core. Does not wait."""
        batch, self._batch = self._batch, {}
        for message, outcomes in batch.values():
            try:
                self._gateway.record(TRANSPORT, message, outcomes)
            except Exception as error:
                log.error("record_failed", message=message.id, error=type(error).__name__)
