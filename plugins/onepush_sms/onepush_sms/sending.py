"""Sending: devices become people, people become decisions, decisions become calls and outcomes.

Each step is committed before the next one begins; a call is never made twice for one decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol, TypeVar

import gevent
import structlog
from gevent.pool import Pool

from onepush_core import Device, Message, OnepushError, Outcome, Status, Transaction
from onepush_sms.decisions import Decision, decide, settle
from onepush_sms.gate import Gate
from onepush_sms.metrics import Metrics
from onepush_sms.objects import Answer, Sms, Verdict
from onepush_sms.people import find_people, is_open, unreached
from onepush_sms.policies import Policy
from onepush_sms.rows import Rows, State

log = structlog.get_logger("onepush.sms")
T = TypeVar("T")
TOGETHER = 32
"""Devices that are decided on in one transaction, and whose calls run at a time."""
CALLS = 256
"""Calls of this process at a time, for all apps."""
CALL_DEADLINE = 15.0
STARTING, ENDING = 0.4, 0.9
"""Parts of the core's deadline in which one ``deliver`` starts calls, and waits for them."""
SETTLING = 5.0
"""Seconds after acceptance for which a person's other devices are waited for, when the wait is shorter."""


class Store(Protocol):
    """What sending needs of a gateway."""

    def write(self, job: Callable[[Transaction], T]) -> T:
        """Run a job in the next commit."""

    def note(
        self, transport: str, message: Message, devices: Sequence[int], outcome: str, reason: str
    ) -> None:
        """Add a line to the trail."""


class Sender:
    """Sends the SMS of all apps. ``now``: milliseconds; ``monotonic``: seconds."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], int],
        monotonic: Callable[[], float],
        metrics: Metrics,
        deadline: float = 30.0,
        name: str = "sms",
    ) -> None:
        self._store = store
        self._now = now
        self._monotonic = monotonic
        self._metrics = metrics
        self._deadline = deadline
        self._name = name
        self._gates: dict[str, Gate] = {}
        self._pool = Pool(CALLS)

    def deliver(self, message: Message, devices: Sequence[Device], policy: Policy) -> Iterator[Outcome]:
        """What becomes of these devices; what there is no time for is HELD, and comes again."""
        began = self._monotonic()
        # Devices of one person come together, so that they are decided on together.
        ordered = sorted(devices, key=lambda device: device.alias)
        for start in range(0, len(ordered), TOGETHER):
            chunk = ordered[start : start + TOGETHER]
            spent = self._monotonic() - began
            wait = self._gate(message.app.id).wait()
            if wait:
                yield from _answer(chunk, Status.FAILED, "sms is paused", wait)
            elif spent >= self._deadline * STARTING:
                yield from _answer(chunk, Status.HELD)
            else:
                yield from self._deliver_some(message, chunk, policy, self._deadline * ENDING - spent)

    def _deliver_some(
        self, message: Message, devices: Sequence[Device], policy: Policy, patience: float
    ) -> Iterator[Outcome]:
        decisions, invalid = self._store.write(partial(self._decide, message, devices, policy))
        for _ in {device.alias for device in devices if device.key in invalid}:
            self._metrics.decided(policy.provider.name, "refused", "no valid number")
        for key in invalid:
            yield Outcome(key, Status.FAILED, "no valid number")
        calls = {self._pool.spawn(self._send, message, one, policy): one for one in decisions if one.mine}
        for decision in decisions:
            if not decision.mine:
                yield from self._outcomes(message, decision, policy)
        for call in gevent.iwait(list(calls), timeout=patience):
            calls.pop(call)
            yield from self._outcomes(message, call.get(), policy)
        for decision in calls.values():
            yield from self._outcomes(message, decision, policy)

    def _decide(
        self, message: Message, devices: Sequence[Device], policy: Policy, transaction: Transaction
    ) -> tuple[list[Decision], list[int]]:
        now = self._now()
        if not is_open(transaction, message, now):
            return [], []
        pending = unreached(transaction, message, devices)
        people, invalid = find_people(transaction, message, pending, policy.settings.region)
        patient = not message.transient and now < message.accepted_at + round(SETTLING * 1000)
        rows = Rows(transaction, message, policy.provider.name, now)
        return [decide(rows, person, policy, patient) for person in people], invalid

    def _send(self, message: Message, decision: Decision, policy: Policy) -> Decision:
        """Make the call, and commit what became of it."""
        answer = self._call(message, decision, policy)

        def job(transaction: Transaction) -> Decision:
            return settle(
                Rows(transaction, message, policy.provider.name, self._now()), decision, policy, answer
            )

        try:
            return self._store.write(job)
        except OnepushError as error:
            # The row still says that the call is under way: it will count as ambiguous.
            log.error("sms_not_settled", error=type(error).__name__, verdict=answer.verdict.value)
            return decision

    def _call(self, message: Message, decision: Decision, policy: Policy) -> Answer:
        gate = self._gate(message.app.id)
        if not gate.enter():
            return Answer(Verdict.LATER, "sms is paused", retry_after=gate.wait())
        if self._now() >= message.expires_at:
            return Answer(Verdict.REFUSED, "expired")
        if self._now() >= decision.due:
            return Answer(Verdict.LATER, "too many calls under way")
        text = message.sms_message or ""
        sms = Sms(decision.key, message.app.id, decision.person.number.e164, text, message.extra)
        answer = self._guarded(policy, sms)
        self._watch(gate, sms.app, policy, answer)
        if answer.verdict is Verdict.ACCOUNT:
            return answer._replace(retry_after=gate.wait())
        if answer.verdict is Verdict.ACCEPTED:
            self._metrics.segments(policy.provider.name, policy.provider.count_segments(text))
        return answer

    def _guarded(self, policy: Policy, sms: Sms) -> Answer:
        """Whatever goes wrong once the provider has been called, the SMS may be out."""
        try:
            with gevent.Timeout(CALL_DEADLINE):
                return policy.provider.send(sms)
        except gevent.Timeout:
            return Answer(Verdict.AMBIGUOUS, "no answer in time")
        except Exception as error:
            # Neither its text nor its traceback: either may hold the number.
            log.error("sms_provider_raised", provider=policy.provider.name, error=type(error).__name__)
            return Answer(Verdict.AMBIGUOUS, "unexpected answer")

    def _watch(self, gate: Gate, app: str, policy: Policy, answer: Answer) -> None:
        """Tell the gate, and the operators when that has shut it."""
        if gate.passed(answer.verdict):
            event = "sms_account_problem" if answer.verdict is Verdict.ACCOUNT else "sms_provider_trouble"
            log.error(event, app=app, provider=policy.provider.name, reason=answer.reason, pause=gate.wait())
        self._metrics.paused.set(sum(one.account_problem for one in self._gates.values()))

    def _outcomes(self, message: Message, decision: Decision, policy: Policy) -> Iterator[Outcome]:
        """What the core is told of a person's devices, and what is counted."""
        state, devices = decision.state, decision.person.devices
        if decision.news and state is not None:
            self._metrics.decided(policy.provider.name, state.name.lower(), decision.reason)
        if state is State.SKIPPED and decision.news:
            self._store.note(self._name, message, devices, "skipped", decision.reason)
        if state in OUTCOMES:
            retry = max(1.0, (decision.due - self._now()) / 1000) if state is State.RETRY else None
            reason = decision.person.number.mask if state is State.ACCEPTED else decision.reason
            for key in devices:
                yield Outcome(key, OUTCOMES[state], reason or None, retry)

    def _gate(self, app: str) -> Gate:
        if app not in self._gates:
            self._gates[app] = Gate(self._monotonic)
        return self._gates[app]


# A person who is not in here is not mentioned: not decided on yet, or reached on another device.
# DROPPED ends the SMS only: the frame still waits for a device that connects later.
OUTCOMES: dict[State | None, Status] = {
    State.CALLING: Status.HELD,
    State.ACCEPTED: Status.SENT,
    State.RETRY: Status.FAILED,
    State.AMBIGUOUS: Status.FAILED,
    State.REFUSED: Status.FAILED,
    State.DROPPED: Status.FAILED,
}


def _answer(
    devices: Sequence[Device], status: Status, reason: str | None = None, retry: float | None = None
) -> Iterator[Outcome]:
    return (Outcome(device.key, status, reason, retry) for device in devices)
