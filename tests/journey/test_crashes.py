"""Kill -9 in the middle of a stream of sends: nothing acknowledged may be missing (F1, F2)."""

import itertools
import time

import pytest

from harness.auditor import audit
from harness.drivers import Listener, Sender, await_end, collect, stop_all
from harness.process import is_alive
from harness.waiting import eventually

CYCLES = 10
STREAM = 0.4
"""Seconds for which the stream flows between two kills."""


def kill_worker(gateway):
    """The master stays, and starts another worker."""
    gateway.kill_worker()


def kill_master(gateway):
    """A supervisor starts the gateway again; the orphaned worker lets go of port and database by itself."""
    orphan = gateway.kill_master()
    gateway.spawn()
    eventually(lambda: orphan is None or not is_alive(orphan))


class Stream:
    """Four senders to two people; of their devices two stay online, three come at the end, and one stays
    online or comes and goes.
    """

    def __init__(self, app, flapping):
        self.app = app
        devices = {alias: [app.register(alias) for _ in range(3)] for alias in ("ada", "bob")}
        self.senders = [
            Sender(app, f"sender-{number}", alias, devices[alias], insists=number < 2)
            for number, alias in enumerate(["ada", "bob", "ada", "bob"])
        ]
        (ada, other, ada_late), (bob, *bob_late) = devices["ada"], devices["bob"]
        self.online = [Listener(app, ada), Listener(app, bob), Listener(app, other, 3 if flapping else None)]
        self.late = [Listener(app, device) for device in (ada_late, *bob_late)]

    def __enter__(self):
        for driver in (*self.online, *self.senders):
            driver.start()
        return self

    def __exit__(self, *_):
        """Whatever the test has come to."""
        for driver in (*self.online, *self.senders):
            driver.end()

    def finish(self, patience=25.0):
        """End the sends, let the others connect, and wait until all is delivered; the history."""
        stop_all(self.senders)
        for listener in self.late:
            listener.start()
        try:
            await_end(self.app, self.senders, patience)
        finally:
            stop_all([*self.online, *self.late])
        return collect(self.app, self.senders, [*self.online, *self.late], faulted=True)


@pytest.mark.timeout(180)
def test_crashes_lose_nothing_acknowledged(start_gateway):
    """Ten kills of worker and master in turn: all acknowledged arrives, in order, under one id."""
    gateway = start_gateway(delivery={"resend_gaps": [0.5, 1.0]})
    with Stream(gateway.create_app(), flapping=True) as stream:
        for kill in itertools.islice(itertools.cycle([kill_worker, kill_master]), CYCLES):
            time.sleep(STREAM)
            kill(gateway)
            gateway.await_ready()
        history = stream.finish()
    gateway.stop()
    acknowledged = [send for send in history.sends if send.request_id]
    assert len(acknowledged) > 10 * CYCLES
    assert audit(history) == []


def test_crashes_need_no_crash_to_be_audited(app):
    """The same stream without a kill: the auditor finds nothing, not even a needless repeat."""
    with Stream(app, flapping=False) as stream:
        time.sleep(STREAM)
        history = stream.finish()._replace(faulted=False)
    assert len(history.frames) > 50
    assert audit(history) == []


@pytest.mark.parametrize("kill", [kill_worker, kill_master])
def test_crash_keeps_idempotency_keys(mortal_gateway, kill):
    """A sender that got no answer sends again with its key after the crash: the same message."""
    app = mortal_gateway.create_app()
    device = app.register("ada")
    headers = {"Idempotency-Key": "k"}
    first = app.try_send("ada", headers=headers)
    kill(mortal_gateway)
    mortal_gateway.await_ready()
    again = app.try_send("ada", headers=headers)
    app.send("ada", alert="next")
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    with app.connect(device) as connection:
        assert connection.alerts(2) == ["hello", "next"]


def test_crash_leaves_cancelled_cancelled(mortal_gateway):
    """What was cancelled before the crash is not sent after it."""
    app = mortal_gateway.create_app()
    device = app.register("ada")
    request_id = app.send("ada", needConfirm=True)
    app.await_counts(request_id, pending=1)
    app.cancel(request_id)
    mortal_gateway.kill_worker()
    mortal_gateway.await_ready()
    with app.connect(device) as connection:
        app.send("ada", alert="next")
        assert connection.frame()["alert"] == "next"
    assert app.counts(request_id) == {"cancelled": 1}
