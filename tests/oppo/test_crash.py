"""Kill -9 while OPPO works on a batch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from harness.process import is_alive
from harness.waiting import eventually
from tests.oppo.driver import new_registration_id, register_phone


def test_kill_in_mid_batch_shows_nobody_twice(start_oppo_gateway, emulator):
    """What OPPO took before the kill is sent again under the same app_message_id, and shown once."""
    gateway = start_oppo_gateway()
    app = gateway.create_app()
    tokens = {new_registration_id() for _ in range(1200)}
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda token: register_phone(app, "crowd", token=token), tokens))
    emulator.tell("options", {"latency": 5.0})
    request = app.send("crowd")
    eventually(lambda: emulator.ask("state").get("accepted", 0) >= 1000)
    orphan = gateway.kill_master()
    eventually(lambda: orphan is None or not is_alive(orphan))
    emulator.tell("options", {"latency": 0.0})
    gateway.start()
    app.await_counts(request, patience=30, handedOff=1200)
    arrivals = emulator.arrivals(request)
    assert {one["target"] for one in arrivals} == tokens
    assert len(arrivals) == emulator.ask("state")["shown"] == 1200
    assert 1000 <= emulator.ask("state")["absorbed"] <= 1200
    gateway.stop()
