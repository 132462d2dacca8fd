"""Who gets an SMS, and when: each rule of docs/sms.md on a gateway in this process."""

from __future__ import annotations

import gevent
import pytest

from harness.waiting import eventually
from onepush_core import InvalidField
from onepush_sms.people import BARE_MOBILE
from onepush_sms.sending import SETTLING
from tests.sms.doubles import MASK, NUMBER, offer, quiet, rest, settled


def test_sms_reaches_person_after_wait(bench):
    """Nobody online: after the wait one SMS goes out, and the trail shows the masked number."""
    bench.register("ann", NUMBER)
    message = bench.send()
    quiet(bench, message, pending=1)
    bench.pass_time()
    settled(bench, message, handedOff=1)
    assert bench.provider.numbers == ["+8613711112222"]
    assert bench.provider.sent[0].text == "your code is 1234"
    assert bench.trail(message) == [("sent", MASK)]


def test_sms_reaches_three_devices_once(bench):
    """A person with three devices, however they spell the number, gets one SMS, and all are handed off."""
    for mobile in (NUMBER, "+86 137 1111 2222", None):
        bench.register("ann", mobile)
    message = bench.send()
    bench.pass_time()
    settled(bench, message, handedOff=3)
    assert len(bench.provider.sent) == 1


def test_sms_reaches_number_of_two_aliases_once(bench):
    """A number counts once for each message, whatever the aliases."""
    bench.register("ann", NUMBER)
    bench.register("ann.private", "008613711112222")
    message = bench.send("ann", "ann.private")
    bench.pass_time()
    settled(bench, message, handedOff=2)
    assert len(bench.provider.sent) == 1


def test_sms_takes_latest_number_of_alias(bench):
    """An alias with two numbers gets the SMS on the one that was registered last."""
    bench.register("ann", NUMBER)
    gevent.sleep(0.002)
    bench.register("ann", "13800000000")
    message = bench.send()
    bench.pass_time()
    settled(bench, message, handedOff=2)
    assert bench.provider.numbers == ["+8613800000000"]


def test_sms_spares_person_with_device_online(bench):
    """A person who has the message on one device gets no SMS for the others; the trail says why."""
    bench.register("ann", NUMBER, online=True)
    bench.register("ann", NUMBER)
    message = bench.send()
    bench.pass_time()
    eventually(lambda: bench.trail(message) == [("skipped", "another device has it")])
    quiet(bench, message, handedOff=1, pending=1)
    assert offer(bench, message, bench.find(message, -1), 120.0) == []
    bench.gateway.flush()
    assert bench.trail(message) == [("skipped", "another device has it")]


@pytest.mark.parametrize(
    "written",
    [
        "(137) 1111-2222",
        "137.1111.2222",
        "+86 (0)137 1111 2222",
        "0086137/11112222",
        "137\u00a01111\u20112222",
    ],
)
def test_sms_spares_number_reached_under_other_alias(bench, written):
    """A number is reached when any device that carries it has the message, however that spells it."""
    bench.register("bob", written, online=True)
    bench.register("ann", NUMBER)
    message = bench.send("ann", "bob")
    bench.pass_time()
    eventually(lambda: bench.trail(message))
    quiet(bench, message, handedOff=1, pending=1)


def test_sms_spares_person_who_confirmed_in_last_second(bench):
    """With needConfirm a confirm one second before the end of the wait means that there is no SMS."""
    device = bench.register("ann", NUMBER, online=True)
    message = bench.send(need_confirm=True)
    eventually(lambda: bench.trail(message, "sockets"))
    bench.pass_time(59.0)
    bench.gateway.confirm("sockets", message, device)
    bench.gateway.flush()
    bench.pass_time(1.0)
    quiet(bench, message, confirmed=1)


def test_sms_reaches_person_who_did_not_confirm(bench):
    """With needConfirm a frame without confirm is no delivery; after the SMS the frame still waits."""
    bench.register("ann", NUMBER, online=True)
    message = bench.send(need_confirm=True)
    bench.pass_time()
    eventually(lambda: bench.trail(message) == [("sent", MASK)])
    assert bench.counts(message) == {"pending": 1}
    for _ in range(3):
        bench.pass_time(400)
        rest(bench)
    assert len(bench.provider.sent) == 1


def test_sms_spares_unregistered_device(bench):
    """Who unregisters in the wait gets no SMS."""
    bench.register("ann", NUMBER, token="t")
    message = bench.send()
    eventually(lambda: bench.counts(message) == {"pending": 1})
    bench.gateway.unregister(bench.find(message))
    bench.pass_time()
    quiet(bench, message, cancelled=1)


def test_sms_spares_cancelled_message(bench):
    """A message that was cancelled in the wait makes no SMS."""
    bench.register("ann", NUMBER)
    message = bench.send()
    bench.gateway.cancel(bench.app, message)
    bench.pass_time()
    quiet(bench, message, cancelled=1)


def test_sms_ignores_message_without_text(bench):
    """A send without smsMessage never becomes an SMS."""
    bench.register("ann", NUMBER)
    message = bench.send(text=None)
    bench.pass_time()
    quiet(bench, message, pending=1)


def test_sms_ignores_person_without_number(bench):
    """Nobody without a mobile gets an SMS, nor a line in the trail."""
    bench.register("ann")
    message = bench.send()
    bench.pass_time()
    quiet(bench, message, pending=1)
    assert bench.trail(message) == []


def test_sms_refuses_invalid_number(bench):
    """A mobile that is no number is said once in the trail, without the number."""
    for _ in range(2):
        bench.register("ann", "12345")
    message = bench.send()
    bench.pass_time()
    eventually(lambda: bench.trail(message) == [("failed", "no valid number")] * 2)
    quiet(bench, message, pending=2)
    labels = {"provider": "fake", "result": "refused", "reason": "no valid number"}
    assert bench.gateway.metrics.registry.get_sample_value("onepush_sms_total", labels) == 1


def test_sms_without_delay_waits_for_vendor(make_bench):
    """With smsDelay 0 the SMS waits for the first round: a vendor that takes a device spares its person."""
    bench = make_bench({"delay": 0})
    bench.register("ann", NUMBER, vendor="OPPO")
    bench.register("ann", NUMBER)
    message = bench.accept()
    bench.pass_time(1)
    assert bench.provider.sent == []
    bench.vendor.let.set()
    bench.stage.settle()
    bench.pass_time(SETTLING)
    eventually(lambda: bench.trail(message) == [("skipped", "another device has it")])
    assert bench.counts(message) == {"handedOff": 1, "pending": 1}
    assert bench.provider.sent == []


def test_sms_without_delay_goes_at_once(bench):
    """With smsDelay 0 and nobody else to wait for, the SMS belongs to the first round, even of duration 0."""
    bench.register("ann", NUMBER)
    message = bench.send(sms_delay=0, duration=0)
    settled(bench, message, handedOff=1)


def test_sms_uses_delay_of_send(bench):
    """smsDelay in the send is stronger than the app's."""
    bench.register("ann", NUMBER)
    message = bench.send(sms_delay=5)
    bench.pass_time(5)
    settled(bench, message, handedOff=1)


def test_sms_stays_within_life(bench):
    """Nothing is sent at or after the message's expiry, even when the round comes late."""
    bench.register("ann", NUMBER)
    message = bench.send(duration=61)
    bench.clock.jump(61)
    bench.stage.look()
    settled(bench, message, expired=1)
    assert bench.provider.sent == []


def test_sms_of_disabled_plugin_is_dropped(make_bench):
    """The switch for all: no SMS, and the trail says so."""
    bench = make_bench({"enabled": False})
    bench.register("ann", NUMBER)
    message = bench.send()
    bench.pass_time()
    eventually(lambda: bench.trail(message))
    assert bench.trail(message) == [("failed", "dropped: sms is switched off")]
    assert bench.provider.sent == []


def test_sms_to_other_country_is_dropped(make_bench):
    """Only the region's own country is allowed, unless prefixes say otherwise."""
    bench = make_bench()
    bench.register("ann", "+14155552671")
    message = bench.send()
    bench.pass_time()
    eventually(lambda: bench.trail(message))
    assert bench.trail(message) == [("failed", "dropped: country not allowed")]
    assert bench.provider.sent == []


def test_sms_to_allowed_country_is_sent(make_bench):
    """A prefix that is allowed gets its SMS, masked as other countries are."""
    bench = make_bench({"allowed_prefixes": ["+1"]})
    bench.register("ann", "+14155552671")
    message = bench.send()
    bench.pass_time()
    eventually(lambda: bench.trail(message) == [("sent", "+1 ****2671")])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"text": "x" * 700}, "smsMessage"),
        ({"text": " \n"}, "smsMessage"),
        ({"sms_delay": 30, "duration": 30}, "smsDelay"),
        ({"duration": 60}, "smsDelay"),
        ({"duration": 0}, "smsDelay"),
        ({"options": {"sms": {"sign": "x"}}}, "options.sms.sign"),
    ],
)
def test_check_refuses_impossible_sms(bench, fields, field):
    """An SMS that could never go is refused with the name of the field, and nothing is stored."""
    with pytest.raises(InvalidField) as refused:
        bench.send(**fields)
    assert refused.value.field == field


def test_sms_respects_tenant(bench):
    """A number that another tenant's device registered is none of this tenant's message."""
    bench.register("ann", tenant="north")
    bench.register("ann", NUMBER, tenant="south")
    message = bench.send(tenant="north")
    bench.pass_time()
    quiet(bench, message, pending=1)


def test_sms_reaches_everybody_of_large_audience(bench):
    """An audience of several chunks: one SMS each, also for people whose devices are far apart."""
    aliases = [f"user{index}" for index in range(60)]
    for platform in range(2):
        for index, alias in enumerate(aliases):
            bench.register(alias, f"137{index:08d}", token=f"{platform}-{alias}")
    message = bench.send(*aliases)
    bench.pass_time()
    settled(bench, message, handedOff=120)
    assert sorted(bench.provider.numbers) == [f"+86137{index:08d}" for index in range(60)]


@pytest.mark.sqlite
def test_carriers_of_number_are_found_by_index(bench):
    """Looking for the devices that carry a number does not read the whole table."""
    statement = f"EXPLAIN QUERY PLAN SELECT 1 FROM device d WHERE d.app = ? AND {BARE_MOBILE} IN (?, ?)"
    plan = bench.gateway.read(lambda t: t.rows(f"{statement} AND d.mobile IS NOT NULL", (1, "a", "b")))
    assert "sms_device_mobile" in str(plan)
