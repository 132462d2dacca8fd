"""From OPPO's answers to outcomes of devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from onepush_core import Message, Outcomes, Status
from onepush_oppo.account import Account
from onepush_oppo.attempts import Attempts
from onepush_oppo.client import CallFailed, NoTimeLeft
from onepush_oppo.codes import Action, Rule, reason_of, rule_of
from onepush_oppo.endpoint import Endpoint
from onepush_oppo.metrics import Metrics
from onepush_oppo.protocol import Answer, Item

LATER = (Action.RETRY, Action.RENEW, Action.CLOCK)
UNANSWERED = "no answer for this device"
Targets = dict[str, list[int]]
"""The device keys behind each target; several devices may share an alias."""


class Verdicts:
    """Turns what a call brought into outcomes, and tells breaker, account and metrics of it."""

    def __init__(self, attempts: Attempts, metrics: Metrics) -> None:
        self._attempts = attempts
        self._metrics = metrics

    def of_failure(
        self, endpoint: Endpoint, message: Message, targets: Targets, error: CallFailed
    ) -> Iterable[Outcomes]:
        """No answer came."""
        keys = keys_of(targets)
        if error.final:
            return failed(keys, error.reason)
        if not isinstance(error, NoTimeLeft):
            endpoint.failed()
        return self._again(message, keys, error.reason, error.wish)

    def of_answer(
        self, endpoint: Endpoint, message: Message, targets: Targets, answer: Answer, by_alias: bool
    ) -> Iterable[Outcomes]:
        """One code for all targets."""
        rule = rule_of(answer.code, answer.text)
        self._metrics.target(answer.code, len(targets))
        if rule.action in LATER or rule.action is Action.CONFIGURATION:
            endpoint.failed()
        else:
            endpoint.breaker.succeeded()
        keys = keys_of(targets)
        return self._apply(endpoint.account, message, keys, answer.code, rule, by_alias)

    def of_items(
        self,
        endpoint: Endpoint,
        message: Message,
        targets: Targets,
        items: dict[str, Item],
        by_alias: bool,
    ) -> Iterable[Outcomes]:
        """A code for each target; those of which nothing was said are asked again."""
        endpoint.breaker.succeeded()
        groups: dict[tuple[int, Rule], list[int]] = {}
        counts: Counter[int] = Counter()
        unanswered: list[int] = []
        for target, keys in targets.items():
            item = items.get(target)
            if item is None:
                unanswered += keys
                continue
            counts[item.code] += 1
            groups.setdefault((item.code, rule_of(item.code, item.text)), []).extend(keys)
        for code, number in counts.items():
            self._metrics.target(code, number)
        for (code, rule), keys in groups.items():
            yield from self._apply(endpoint.account, message, keys, code, rule, by_alias)
        yield from self._again(message, unanswered, UNANSWERED)

    def _apply(
        self, account: Account, message: Message, keys: list[int], code: int, rule: Rule, by_alias: bool
    ) -> Iterable[Outcomes]:
        action, reason = rule.action, reason_of(code, rule)
        if action is Action.TODAY:
            account.close_for_today(code, rule.reason)
            return failed(keys, reason, account.pause_left())
        if action in LATER:
            if action is Action.CLOCK:
                account.complain(code, "this machine's clock or OPPO's is wrong")
            return self._again(message, keys, reason)
        self._attempts.settled(message.key, keys)
        if action is Action.ACCEPTED:
            account.use(len(keys))
            return [Outcomes(keys, Status.SENT)]
        if action is Action.CONFIGURATION:
            account.complain(code, rule.reason)
        # An alias that OPPO does not know says nothing of the device's own address.
        if action is Action.GONE and not by_alias:
            return [Outcomes(keys, Status.GONE, reason)]
        return failed(keys, reason)

    def _again(
        self, message: Message, keys: Sequence[int], reason: str, wish: float = 0.0
    ) -> Iterable[Outcomes]:
        waits = self._attempts.failed(message.key, keys, wish)
        return [Outcomes(devices, Status.FAILED, reason, wait) for wait, devices in waits.items()]


def keys_of(targets: Targets) -> list[int]:
    """All devices behind these targets."""
    return [key for keys in targets.values() for key in keys]


def failed(keys: Sequence[int], reason: str, retry_after: float | None = None) -> list[Outcomes]:
    """The same failure for all."""
    return [Outcomes(keys, Status.FAILED, reason, retry_after)]
