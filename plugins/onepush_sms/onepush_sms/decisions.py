"""Deciding on one person: an SMS now, later or never. Written down before any call goes out.

Who finds a row makes no call, whatever became of it: the process that wrote it may have died between
decision and answer.
"""

from __future__ import annotations

from typing import NamedTuple

from onepush_sms.budgets import charge, counters, give_back
from onepush_sms.objects import Answer, Verdict
from onepush_sms.people import Person, is_reached, is_unsettled
from onepush_sms.policies import Policy
from onepush_sms.rows import Row, Rows, State

CALL_LEASE = 60_000
"""Milliseconds after which a call without result is taken for lost; no call takes that long."""
FIRST_GAP, LONGEST_GAP = 5_000, 600_000
MOST_REPEATS = 3
"""How often an ambiguous SMS is sent again for an app that chose "at least once"."""
NOT_GIVEN_BACK = (Verdict.ACCEPTED, Verdict.AMBIGUOUS)
DROPPED = "dropped: "
BEGINNINGS = {Verdict.AMBIGUOUS: "ambiguous: ", Verdict.NUMBER_LIMIT: DROPPED}
"""How the reason of such an answer begins in trail and metrics."""


class Decision(NamedTuple):
    """What is to be done about a person; ``state`` None: nothing yet.

    ``mine``: the call is ours to make, before ``due`` (ms). ``due`` with RETRY: when it goes again.
    ``news``: this was decided just now.
    """

    person: Person
    state: State | None
    key: int = 0
    reason: str = ""
    due: int = 0
    mine: bool = False
    news: bool = False


def decide(rows: Rows, person: Person, policy: Policy, patient: bool) -> Decision:
    """Decide on one person.

    ``patient``: other devices of the person that may still be reached in this round are waited for.
    """
    transaction, message, region = rows.transaction, rows.message, policy.settings.region
    row = rows.find(person)
    if row is not None and row.state != State.RETRY:
        return _known(rows, row, person, policy)
    if is_reached(transaction, message, person, region):
        return _end(rows, row, person, State.SKIPPED, "another device has it")
    if row is None and patient and is_unsettled(transaction, message, person, region):
        return Decision(person, None)
    if row is not None and (row.due or 0) > rows.now:
        return Decision(person, State.RETRY, row.key, row.reason or "", row.due or 0)
    refusal = _refusal(policy, person.number.e164)
    if refusal is not None:
        return _end(rows, row, person, State.DROPPED, DROPPED + refusal)
    return _take(rows, row, person, policy)


def _known(rows: Rows, row: Row, person: Person, policy: Policy) -> Decision:
    """It was decided before; a call that its process did not live to see the end of may have gone out."""
    if row.state != State.CALLING:
        rows.add_devices(row, person)
        return Decision(person, State(row.state), row.key, row.reason or "")
    if rows.now < row.called_at + CALL_LEASE:
        return Decision(person, State.CALLING, row.key)
    lost = Answer(Verdict.AMBIGUOUS, "the gateway stopped in the call")
    return _write_down(rows, row, person, policy, lost)


def _end(rows: Rows, row: Row | None, person: Person, state: State, reason: str) -> Decision:
    """Decide that there will be no call."""
    if row is not None:
        rows.end(row, state, reason)
        return Decision(person, state, row.key, reason, news=True)
    key = rows.add(person, state, reason=reason)
    return Decision(person, state, key, reason, news=True) if key else Decision(person, State.CALLING)


def _refusal(policy: Policy, number: str) -> str | None:
    """What forbids any SMS to this number."""
    if not policy.settings.enabled:
        return "sms is switched off"
    if not number.startswith(policy.settings.prefixes):
        return "country not allowed"
    return None


def _take(rows: Rows, row: Row | None, person: Person, policy: Policy) -> Decision:
    """Charge the budgets and take the right to the call."""
    transaction, app = rows.transaction, rows.message.app.key
    segments = policy.provider.count_segments(rows.message.sms_message or "")
    counted = counters(policy.settings, policy.zone, rows.digest_of(person), rows.now)
    spent = charge(transaction, app, counted, segments, rows.now)
    if spent is not None:
        return _end(rows, row, person, State.DROPPED, f"{DROPPED}over {spent}")
    key = rows.claim(row, person, segments) if row else rows.add(person, State.CALLING, segments)
    if key is None:
        give_back(transaction, app, counted, segments)
        return Decision(person, State.CALLING)
    # Half of the lease is left to the call itself.
    return Decision(person, State.CALLING, key, due=rows.now + CALL_LEASE // 2, mine=True)


def settle(rows: Rows, decision: Decision, policy: Policy, answer: Answer) -> Decision:
    """Write down what became of a call that was ours. A refused SMS is given back to the budgets."""
    row = rows.find(decision.person)
    if row is None or row.key != decision.key or row.state != State.CALLING:
        return decision._replace(mine=False)
    return _write_down(rows, row, decision.person, policy, answer)


def _write_down(rows: Rows, row: Row, person: Person, policy: Policy, answer: Answer) -> Decision:
    if answer.verdict not in NOT_GIVEN_BACK:
        charged = counters(policy.settings, policy.zone, row.number, row.called_at)
        give_back(rows.transaction, rows.message.app.key, charged, row.segments)
    state = _state_after(answer.verdict, policy, row.attempts)
    due = rows.now + _gap(row.attempts, answer.retry_after) if state is State.RETRY else None
    reason = BEGINNINGS.get(answer.verdict, "") + answer.reason
    rows.settle(row, state, reason, answer.reference, due)
    return Decision(person, state, row.key, reason, due or 0, news=True)


def _state_after(verdict: Verdict, policy: Policy, attempts: int) -> State:
    if verdict is Verdict.ACCEPTED:
        return State.ACCEPTED
    if verdict is Verdict.NUMBER_LIMIT:
        return State.DROPPED
    if verdict in (Verdict.REFUSED, Verdict.BAD_NUMBER):
        return State.REFUSED
    if verdict is Verdict.AMBIGUOUS and not (policy.settings.at_least_once and attempts <= MOST_REPEATS):
        return State.AMBIGUOUS
    return State.RETRY


def _gap(attempts: int, retry_after: float | None) -> int:
    """Milliseconds until the next attempt: longer each time, and as long as the provider asks."""
    gap: int = min(FIRST_GAP * 2 ** min(attempts - 1, 16), LONGEST_GAP)
    return max(gap, round((retry_after or 0) * 1000))
