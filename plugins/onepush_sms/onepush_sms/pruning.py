"""Forgetting: SMS of messages that the core has forgotten, and budgets of days gone by."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from onepush_core import Gateway, OnepushError, Transaction

log = structlog.get_logger("onepush.sms")
INTERVAL = 600.0
BATCH = 500


def run_pruning(gateway: Gateway, sleep: Callable[[float], object]) -> None:
    """Prune for ever, in small batches; a failure of the store costs a pause."""
    while True:
        sleep(INTERVAL)
        try:
            while gateway.write(lambda transaction: prune(transaction, gateway.clock.now())) == BATCH:
                sleep(0.1)
        except OnepushError as error:
            log.error("sms_pruning_failed", error=type(error).__name__)


def prune(transaction: Transaction, now: int, batch: int = BATCH) -> int:
    """Delete up to ``batch`` SMS and budgets each; how many SMS that were."""
    transaction.execute(
        "DELETE FROM sms_budget WHERE (app, subject, period) IN"
        " (SELECT app, subject, period FROM sms_budget WHERE ends_at < ? LIMIT ?)",
        (now, batch),
    )
    # Only the oldest are looked at: the table may be large, and what is old goes first.
    deleted: int = transaction.execute(
        "DELETE FROM sms WHERE key IN"
        " (SELECT s.key FROM (SELECT key, message FROM sms ORDER BY key LIMIT ?) s"
        " WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.key = s.message) LIMIT ?)",
        (10 * batch, batch),
    ).rowcount
    return deleted
