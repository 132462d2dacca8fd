"""OPPO in trouble: what is tried again, what is given up, what is forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.needs import present
from harness.waiting import eventually
from tests.oppo.driver import new_registration_id, reasons, register_phone

pytestmark = pytest.mark.once  # a vendor in trouble, not the store

TEMPORARY = ["500", "503", "429", "drop", "empty", "text", "redirect", "torn", "lost"]


@pytest.mark.parametrize("kind", TEMPORARY)
def test_temporary_fault_is_tried_again(oppo_app, emulator, kind):
    """Whatever goes wrong on the wire is tried again, and the phone shows the message once."""
    device, token = register_phone(oppo_app, "ann")
    emulator.trouble(kind)
    request = oppo_app.send("ann")
    oppo_app.await_counts(request, handedOff=1)
    outcomes = [outcome for outcome, _ in reasons(oppo_app, request, device)]
    assert outcomes == ["failed", "sent"]
    assert [one["target"] for one in emulator.arrivals(request)] == [token]
    assert all("elsewhere" not in call["path"] for call in emulator.ask("calls"))


@pytest.mark.parametrize("kind", ["hang", "trickle"])
def test_slow_answer_is_cut_off(hasty_oppo_app, emulator, kind):
    """A call that hangs, or answers a byte at a time, ends at the timeout."""
    app = hasty_oppo_app
    device, _ = register_phone(app, "ann")
    emulator.trouble(kind)
    request = app.send("ann")
    app.await_counts(request, handedOff=1)
    assert reasons(app, request, device) == [("failed", "timeout"), ("sent", None)]


@pytest.mark.parametrize("code", [-1, -2, 13, 55])
def test_busy_code_is_tried_again(oppo_app, emulator, code):
    """Codes that mean "later" are tried again with the same app_message_id."""
    device, token = register_phone(oppo_app, "ann")
    emulator.tell("codes", {token: code})
    request = oppo_app.send("ann")
    outcome, reason = eventually(lambda: reasons(oppo_app, request, device))[0]
    assert (outcome, reason.startswith(f"code {code} ")) == ("failed", True)
    emulator.tell("codes", {token: None})
    oppo_app.await_counts(request, handedOff=1)


def test_attempts_are_bounded(hasty_oppo_app, emulator):
    """After eight attempts OPPO is not asked again; the message stays for the socket."""
    app = hasty_oppo_app
    device, token = register_phone(app, "ann")
    register_phone(app, "bob")
    emulator.tell("codes", {token: -1})
    request = app.send("ann")
    while len(reasons(app, request, device)) < 8:
        # A call that goes well keeps the breaker closed.
        app.await_counts(app.send("bob"), handedOff=1)
    calls = len([call for call in emulator.pushes() if call["code"] == -1])
    app.await_counts(app.send("bob"), handedOff=1)
    app.await_counts(request, pending=1)
    assert calls == len(reasons(app, request, device)) == 8


@pytest.mark.parametrize("code", [12, 20, 25, 31, 40, 41, 51, 54, 59, 67, 77])
def test_bad_request_is_not_repeated(oppo_app, emulator, code):
    """Codes that mean "never", and unknown ones, are permanent for the message; the token is kept."""
    device, token = register_phone(oppo_app, "ann")
    emulator.tell("codes", {token: code})
    request = oppo_app.send("ann")
    outcome, reason = eventually(lambda: reasons(oppo_app, request, device))[0]
    assert (outcome, reason.startswith(f"code {code} ")) == ("failed", True)
    emulator.tell("codes", {token: None})
    again = oppo_app.send("ann")
    oppo_app.await_counts(again, handedOff=1)
    assert emulator.arrivals(request) == []


def test_other_client_error_is_permanent(oppo_app, emulator):
    """A 4xx other than 408 and 429 is not repeated."""
    device, _ = register_phone(oppo_app, "ann")
    emulator.trouble("403")
    request = oppo_app.send("ann")
    assert eventually(lambda: reasons(oppo_app, request, device)) == [("failed", "http 403")]
    assert len(emulator.pushes()) == 1


def test_dead_token_is_forgotten(oppo_app, emulator):
    """10000 in a batch costs only its own device; later sends skip it until it registers anew."""
    dead, token = register_phone(oppo_app, "ann")
    alive, _ = register_phone(oppo_app, "ann")
    emulator.tell("codes", {token: 10000})
    request = oppo_app.send("ann")
    oppo_app.await_counts(request, handedOff=1, pending=1)
    assert reasons(oppo_app, request, dead) == [("gone", "code 10000 invalid registration id")]
    assert reasons(oppo_app, request, alive) == [("sent", None)]
    emulator.tell("codes", {token: None})
    request = oppo_app.send("ann")
    oppo_app.await_counts(request, handedOff=1, pending=1)
    assert reasons(oppo_app, request, dead) == []
    register_phone(oppo_app, "ann", token=token)
    request = oppo_app.send("ann")
    oppo_app.await_counts(request, handedOff=2)


def test_token_revoked_in_mid_batch_is_renewed_once(oppo_app, emulator):
    """A token that dies between the calls of one message costs one new one and no device."""
    tokens = [new_registration_id() for _ in range(1200)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda token: register_phone(oppo_app, "crowd", token=token), tokens))
    warm = oppo_app.send("crowd")
    oppo_app.await_counts(warm, patience=30, handedOff=1200)
    before = emulator.ask("state").get("tokens", 0)
    emulator.trouble("revoke", skip=1)
    request = oppo_app.send("crowd")
    oppo_app.await_counts(request, patience=30, handedOff=1200)
    assert emulator.ask("state")["tokens"] - before == 1
    assert {one["times"] for one in emulator.arrivals(request)} == {1}


def test_many_calls_share_one_token(oppo_app, emulator):
    """Of many calls that need a new token at once, one fetches it."""
    app = oppo_app
    for number in range(20):
        register_phone(app, f"person{number}")
    emulator.tell("options", {"latency": 0.1})
    with ThreadPoolExecutor(20) as pool:
        requests = list(pool.map(lambda number: app.send(f"person{number}"), range(20)))
    for request in requests:
        app.await_counts(request, handedOff=1)
    assert emulator.ask("state")["tokens"] == 1


def test_used_up_quota_closes_the_day(start_oppo_gateway, emulator):
    """After 33 nothing more goes out today, and log, trail and metric say so."""
    gateway = start_oppo_gateway(daily_quota=1)
    app = gateway.create_app()
    device, _ = register_phone(app, "ann")
    emulator.tell("options", {"daily_quota": 1})
    assert gateway.metric("onepush_oppo_quota_left") == 1
    first = app.send("ann")
    app.await_counts(first, handedOff=1)
    second = app.send("ann")
    assert eventually(lambda: reasons(app, second, device)) == [("failed", "code 33 daily quota used up")]
    third = app.send("ann")
    assert eventually(lambda: reasons(app, third, device)) == [("failed", "daily quota used up")]
    assert len(emulator.pushes()) == 2
    assert "oppo_closed_until_midnight" in gateway.log_text()
    assert gateway.metric("onepush_oppo_quota_exhausted") == 1
    assert gateway.metric("onepush_oppo_quota_left") == 0
    gateway.stop()


def test_wrong_secret_is_loud_once(start_gateway, emulator):
    """A configuration error is logged once, and the message stays for the socket."""
    gateway = start_gateway(
        plugins={"load": present("ws", "oppo")},
        oppo={"app_key": "test-app-key", "master_secret": "wrong", "base_url": emulator.url},
    )
    app = gateway.create_app()
    device, _ = register_phone(app, "ann")
    for _ in range(2):
        request = app.send("ann")
        assert eventually(lambda sent=request: reasons(app, sent, device)) == [
            ("failed", "code 16 invalid signature")
        ]
    assert gateway.log_text().count("oppo_refuses_us") == 1
    assert '"table": "[oppo]"' in gateway.log_text()
    app.await_counts(request, pending=1)
    gateway.stop()


def test_wrong_clock_is_named(oppo_gateway, oppo_app, emulator):
    """When OPPO's clock and ours differ by more than ten minutes, the log says that it is the clock."""
    app = oppo_app
    device, _ = register_phone(app, "ann")
    emulator.tell("options", {"clock_offset": 3600.0})
    request = app.send("ann")
    assert eventually(lambda: reasons(app, request, device))[0] == ("failed", "code 19 invalid timestamp")
    assert "clock or OPPO's is wrong" in oppo_gateway.log_text()
    emulator.tell("options", {"clock_offset": 0.0})
    app.await_counts(request, handedOff=1)


def test_breaker_spares_vendor_in_trouble(start_oppo_gateway, emulator):
    """After five failures in a row calls pause; the metric shows it and devices are told to wait."""
    gateway = start_oppo_gateway()
    app = gateway.create_app()
    device, _ = register_phone(app, "ann")
    emulator.trouble("500", times=1000)
    for _ in range(5):
        request = app.send("ann")
        eventually(lambda sent=request: reasons(app, sent, device))
    eventually(lambda: gateway.metric('onepush_oppo_breaker_open{host="china"}') == 1)
    calls = len(emulator.pushes())
    request = app.send("ann")
    assert eventually(lambda: reasons(app, request, device)) == [("failed", "breaker open")]
    assert len(emulator.pushes()) == calls
    gateway.stop()


def test_impossible_token_spoils_no_batch(oppo_app, emulator):
    """A nativeToken that can be no registration id is dead, and the others of its batch go out."""
    broken, _ = register_phone(oppo_app, "ann", token="two words; and more")
    for _ in range(2):
        register_phone(oppo_app, "ann")
    request = oppo_app.send("ann")
    oppo_app.await_counts(request, handedOff=2, pending=1)
    assert reasons(oppo_app, request, broken) == [("gone", "malformed registration id")]


def test_batch_refused_for_one_target_is_halved(oppo_app, emulator):
    """When OPPO refuses a whole batch for a bad id, the bad one is found and the others go out."""
    devices = [register_phone(oppo_app, "ann")[0] for _ in range(5)]
    emulator.tell("options", {"strict_batches": True})
    odd, _ = register_phone(oppo_app, "ann", token="odd")
    request = oppo_app.send("ann")
    oppo_app.await_counts(request, handedOff=5, pending=1)
    assert reasons(oppo_app, request, odd) == [("gone", "code 10000 invalid registration id")]
    assert [reasons(oppo_app, request, device) for device in devices] == [[("sent", None)]] * 5
