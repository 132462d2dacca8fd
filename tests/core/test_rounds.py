"""The delivery policy: who is asked, who leaves the round, what is written."""

from __future__ import annotations

from onepush_core.objects import App, DeliveryState, Message, Outcome, Outcomes, Status
from onepush_core.rounds import HOLD, Round, earliest, gather, next_check_back
from onepush_core.store.deliveries import Due

NOW = 1_000_000


def message(need_confirm: bool = False) -> Message:
    return Message(
        key=7,
        id="m",
        app=App(1, "a", "A"),
        alert="hi",
        accepted_at=NOW,
        expires_at=NOW + 60_000,
        need_confirm=need_confirm,
    )


def test_round_offers_remaining_devices_to_the_next_transport():
    """A device that one transport took is not offered to the next."""
    keys = [1, 2]
    one = Round(message(), keys)
    one.accept("first", 1, gather([Outcome(1, Status.DELIVERED)]), NOW)
    assert one.open_to(2, keys) == [2]


def test_round_leaves_failed_and_gone_devices_to_the_next_transport():
    """FAILED and GONE do not take a device out of the round."""
    keys = [1, 2]
    one = Round(message(), keys)
    one.accept("first", 1, gather([Outcome(1, Status.FAILED, "no"), Outcome(2, Status.GONE, "dead")]), NOW)
    assert one.open_to(2, keys) == [1, 2]


def test_round_skips_a_transport_that_was_asked_before():
    """A transport that answered SENT in an earlier round is not asked again, unless it said so."""
    keys = [1, 2]
    one = Round(message(True), keys, asked={1: 1, 2: 1}, again={1: 0, 2: 1})
    assert one.open_to(1, keys) == [2]


def test_round_gives_a_repeated_device_to_the_next_transport_too():
    """Who got the frame before and did not confirm is worth another way."""
    keys = [1]
    one = Round(message(True), keys, asked={1: 1}, again={1: 1})
    one.accept("first", 1, gather([Outcome(1, Status.SENT, again=True)]), NOW)
    assert one.open_to(2, keys) == [1]
    assert one.is_repeating(1)


def test_sent_ends_a_message_without_confirm():
    """What a transport accepted is handed off when no confirm was asked for."""
    [verdict] = Round(message(), [1]).accept("first", 1, gather([Outcome(1, Status.SENT)]), NOW)
    assert verdict.change.state is DeliveryState.HANDED_OFF


def test_sent_keeps_a_message_with_confirm_pending():
    """A vendor's acceptance ends nothing when the person is to confirm."""
    [verdict] = Round(message(True), [1]).accept("first", 1, gather([Outcome(1, Status.SENT)]), NOW)
    assert verdict.change.state is DeliveryState.PENDING
    assert (verdict.change.asked, verdict.change.again) == (1, 0)


def test_sent_again_comes_due_on_the_resend_schedule():
    """A frame without confirm is repeated, at the check-back at the latest."""
    one = Round(message(True), [1], check_back=NOW + 5)
    [verdict] = one.accept("first", 1, gather([Outcome(1, Status.SENT, again=True)]), NOW)
    assert (verdict.change.rule, verdict.change.due, verdict.change.again) == (Due.RESEND, NOW + 5, 1)


def test_held_is_offered_again_when_never_reported():
    """A promise that is not kept costs ten seconds, not the message."""
    [verdict] = Round(message(), [1]).accept("first", 1, gather([Outcome(1, Status.HELD)]), NOW)
    assert verdict.change.due == NOW + HOLD
    assert not verdict.change.attempt


def test_failed_with_retry_comes_due_then():
    """The same transport is asked again after the time it named."""
    [verdict] = Round(message(), [1]).accept(
        "first", 1, gather([Outcome(1, Status.FAILED, "busy", retry_after=2.5)]), NOW
    )
    assert (verdict.change.due, verdict.change.asked) == (NOW + 2500, 0)


def test_failed_without_retry_closes_the_transport():
    """A refusal that no time will heal is not repeated."""
    [verdict] = Round(message(), [1]).accept("first", 1, gather([Outcome(1, Status.FAILED, "bad")]), NOW)
    assert (verdict.change.due, verdict.change.asked) == (None, 1)


def test_later_answer_keeps_the_resend_of_a_repeating_device():
    """What a vendor says does not silence the repetition on the socket."""
    one = Round(message(True), [1], asked={1: 1}, again={1: 1})
    one.accept("first", 1, gather([Outcome(1, Status.SENT, again=True)]), NOW)
    [verdict] = one.accept("second", 2, gather([Outcome(1, Status.SENT)]), NOW)
    assert (verdict.change.rule, verdict.change.asked) == (Due.KEEP, 2)


def test_answers_alike_become_one_verdict():
    """A thousand devices with one answer are one change, over the whole span when all are new."""
    keys = list(range(1, 1001))
    verdicts = Round(message(), keys, fresh=True).accept(
        "first", 1, gather(Outcome(key, Status.DELIVERED) for key in keys), NOW
    )
    assert [(len(one.change.devices), one.change.span) for one in verdicts] == [(1000, True)]


def test_gather_joins_single_and_common_outcomes():
    """It makes no difference whether a transport speaks of one device or of many."""
    told = [Outcome(3, Status.SENT), Outcomes([1, 2], Status.SENT), Outcome(4, Status.GONE, "dead")]
    assert gather(told) == [Outcomes([1, 2, 3], Status.SENT), Outcomes([4], Status.GONE, "dead")]


def test_check_back_takes_the_next_time_to_come():
    """Times that have passed do not count."""
    assert next_check_back(message(), [1, 10, 60], NOW + 5_000) == NOW + 10_000
    assert next_check_back(message(), [1], NOW + 5_000) is None


def test_earliest_knows_missing_times():
    """None means never."""
    assert (earliest(None, None), earliest(3, None), earliest(None, 4), earliest(5, 4)) == (None, 3, 4, 4)
