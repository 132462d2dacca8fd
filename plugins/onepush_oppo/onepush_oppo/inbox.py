"""Taking in receipts: what each makes of the ledger. Nothing here depends on their order or number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from onepush_core import Gateway, Message, Outcome, Status, Transaction
from onepush_oppo.metrics import Metrics
from onepush_oppo.receipts import ARRIVED, EVENTS, INVALID, Receipt
from onepush_oppo.seen import remember

NAME, VENDOR = "oppo", "OPPO"
TOGETHER = 500


class Inbox:
    """Takes in lists of receipts, here and in other processes at the same time."""

    def __init__(self, gateway: Gateway, metrics: Metrics) -> None:
        self._gateway = gateway
        self._metrics = metrics

    def take(self, app_id: str, receipts: Sequence[Receipt]) -> None:
        """Record all; comes back when that is on disk. Raises StoreUnavailable."""
        for (event, message_id), group in _by_message(receipts).items():
            self._take_group(app_id, event, message_id, group)
        self._gateway.flush()

    def _take_group(self, app_id: str, event: str, message_id: str, group: Sequence[Receipt]) -> None:
        if event not in EVENTS:
            return self._metrics.receipt("other", "unknown_event", len(group))
        devices = self._devices(app_id, group)
        named = sum(len(receipt.tokens) or 1 for receipt in group)
        self._metrics.receipt(event, "unknown_device", max(0, named - len(devices)))
        if event == INVALID and devices:
            self._gateway.forget(NAME, devices)
        message = self._gateway.find_message(message_id) if message_id and devices else None
        if message is None or message.app.id != app_id:
            return self._metrics.receipt(event, "unknown_message", len(devices))
        self._record(event, message, devices)

    def _devices(self, app_id: str, group: Sequence[Receipt]) -> list[int]:
        """Keys of the devices that these receipts name: by their ids, else by what the message carried."""
        app = self._gateway.directory.find(app_id)
        if app is None:
            return []
        tokens = list(dict.fromkeys(token for receipt in group for token in receipt.tokens))
        carried = {one.device for one in group if not one.tokens and one.device is not None}
        for start in range(0, len(tokens), TOGETHER):
            carried |= set(self._gateway.find_by_tokens(app.key, VENDOR, tokens[start : start + TOGETHER]))
        return sorted(carried)

    def _record(self, event: str, message: Message, devices: Sequence[int]) -> None:
        if event == ARRIVED and not message.need_confirm:
            for device in devices:
                self._gateway.confirm(NAME, message.id, device)
            return self._metrics.receipt(event, "taken", len(devices))
        news = self._gateway.write(lambda transaction: self._take_in(transaction, event, message, devices))
        self._metrics.receipt(event, "taken", len(news))
        self._metrics.receipt(event, "repeated", len(devices) - len(news))
        if event != ARRIVED and news:
            self._gateway.metrics.outcome(NAME, Status.FAILED.value, event, len(news))

    def _take_in(
        self, transaction: Transaction, event: str, message: Message, devices: Sequence[int]
    ) -> list[int]:
        """Devices for which that is news: its mark and what it makes of the ledger are committed together."""
        news = remember(transaction, message.key, event, devices, self._gateway.clock.now())
        if event == ARRIVED and news:
            self._gateway.note_within(transaction, NAME, message.id, news, "arrived", event)
        elif news:
            # Due at once, and OPPO was asked before: the next transport gets its turn.
            again = [Outcome(device, Status.FAILED, event, retry_after=0.0) for device in news]
            self._gateway.record_within(transaction, NAME, message, again)
        return news


def _by_message(receipts: Iterable[Receipt]) -> dict[tuple[str, str], list[Receipt]]:
    groups: dict[tuple[str, str], list[Receipt]] = {}
    for receipt in receipts:
        groups.setdefault((receipt.event, receipt.message), []).append(receipt)
    return groups
