"""Promises 1 to 4 of design.md: kept, repeated, handed over once, in order."""

import shutil
import signal
import subprocess
import threading

import pytest

from harness.connection import Closed
from harness.databases import look_into
from harness.waiting import eventually


def stored_messages(database):
    """How many messages a database holds."""
    return look_into(database, "SELECT count(*) FROM message")[0][0]


def test_promise_01_answer_means_stored(gateway, app):
    """200 with a requestId means: in the database, for everybody to see."""
    app.register("ada")
    before = stored_messages(gateway.database)
    app.send("ada")
    assert stored_messages(gateway.database) == before + 1


@pytest.mark.sqlite
def test_promise_01_answer_means_in_the_files(gateway, app, tmp_path):
    """200 with a requestId means: on disk. The files as they are after the answer hold the message."""
    app.register("ada")
    before = stored_messages(gateway.database)
    app.send("ada")
    for file in gateway.folder.glob("gateway.db*"):
        shutil.copy(file, tmp_path)
    assert stored_messages(f"sqlite:///{tmp_path}/gateway.db") == before + 1


@pytest.mark.sqlite
def test_promise_01_answer_follows_sync(mortal_gateway, tmp_path):
    """200 with a requestId means: fsynced. The answer goes out after the store's file was synchronised."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    app = mortal_gateway.create_app()
    calls = tmp_path / "calls"
    command = ["strace", "-f", "-s", "64", "-e", "trace=fdatasync,fsync,sendto,write", "-o", str(calls)]
    tracer = subprocess.Popen([*command, "-p", str(mortal_gateway.worker())], stderr=subprocess.PIPE)
    if b"attached" not in tracer.stderr.readline():
        pytest.skip("strace may not attach here")
    app.send("ada")
    tracer.send_signal(signal.SIGINT)
    tracer.communicate()
    lines = calls.read_text().splitlines()
    answered = next(number for number, line in enumerate(lines) if "HTTP/1.1 200 OK" in line)
    assert any("sync(" in line or "sync resumed" in line for line in lines[:answered])


def test_promise_01_answer_survives_kill(mortal_gateway):
    """200 with a requestId means: kept, though the worker is killed at that very moment."""
    app = mortal_gateway.create_app()
    device = app.register("ada")
    request_id = app.send("ada", alert="kept")
    mortal_gateway.kill_worker()
    mortal_gateway.await_ready()
    with app.connect(device) as connection:
        assert connection.frame()["id"] == request_id


def test_promise_01_refusal_means_nothing(app):
    """Anything else is a 4xx, and then nothing happened: the next good message is the first to come."""
    device = app.register("ada")
    with app.connect(device) as connection:
        refused = [
            app.try_send("ada", alert=" "),
            app.try_send("ada", appKey="wrong"),
            app.try_send("ada", audienceType="NOBODY"),
            app.try_send("ada", options={"nobody": {}}),
            app.try_send("ada", needConfirm="yes"),
        ]
        app.send("ada", alert="good")
        assert connection.frame()["alert"] == "good"
    assert [answer.status_code for answer in refused] == [400, 401, 400, 400, 400]


def test_promise_02_message_is_repeated_until_confirmed(hasty_app):
    """needConfirm: sent again on a backoff while connected, until the device confirms."""
    device = hasty_app.register("ada")
    with hasty_app.connect(device) as connection:
        request_id = hasty_app.send("ada", needConfirm=True)
        assert [frame["id"] for frame in connection.frames(3)] == [request_id] * 3
        connection.confirm(request_id)
        hasty_app.await_counts(request_id, confirmed=1)
        attempts = hasty_app.delivery(request_id, device)["attempts"]
        connection.heartbeat()
        connection.no_frame(1.3)
    assert attempts == hasty_app.delivery(request_id, device)["attempts"] >= 3


def test_promise_02_message_is_repeated_at_each_connect(app):
    """needConfirm: sent at every connect, until confirmed."""
    device = app.register("ada")
    request_id = app.send("ada", needConfirm=True)
    for _ in range(3):
        with app.connect(device) as connection:
            assert connection.frame()["id"] == request_id
    with app.connect(device) as connection:
        connection.confirm(connection.frame()["id"])
        app.await_counts(request_id, confirmed=1)
    with app.connect(device) as connection:
        app.send("ada", alert="next")
        assert connection.frame()["alert"] == "next"


def test_promise_02_repeats_end_with_expiry(hasty_app):
    """needConfirm: until it expires; the ledger then says expired, and the trail shows the frames."""
    device = hasty_app.register("ada")
    with hasty_app.connect(device) as connection:
        request_id = hasty_app.send("ada", needConfirm=True, duration=1)
        connection.frame()
        hasty_app.await_counts(request_id, expired=1)
        connection.heartbeat()
        connection.kept()
        connection.no_frame(1.2)
    assert "sent" in {entry["outcome"] for entry in hasty_app.delivery(request_id, device)["trail"]}


def test_promise_02_repeats_end_with_unregistration(hasty_app):
    """needConfirm: until the device is unregistered."""
    device = hasty_app.register("ada")
    request_id = hasty_app.send("ada", needConfirm=True)
    hasty_app.await_counts(request_id, pending=1)
    hasty_app.unregister(device)
    hasty_app.await_counts(request_id, cancelled=1)


def test_promise_02_later_device_gets_nothing(app):
    """needConfirm: every device matched at acceptance, and no other."""
    app.register("ada")
    request_id = app.send("ada", needConfirm=True)
    app.await_counts(request_id, pending=1)
    with app.connect(app.register("ada")) as connection:
        app.send("ada", alert="after")
        assert connection.frame()["alert"] == "after"
    assert app.status(request_id)["total"] == 1


def test_promise_03_message_waits_for_device(app):
    """Without needConfirm: kept until one hand-over."""
    device = app.register("ada")
    request_id = app.send("ada")
    app.await_counts(request_id, pending=1)
    with app.connect(device) as connection:
        assert connection.frame()["id"] == request_id
        app.await_counts(request_id, handedOff=1)


def test_promise_03_message_is_handed_over_once(hasty_app):
    """Without needConfirm: handed over once; neither time nor a new connection brings it again."""
    device = hasty_app.register("ada")
    with hasty_app.connect(device) as connection:
        request_id = hasty_app.send("ada")
        connection.frame()
        hasty_app.await_counts(request_id, handedOff=1)
        connection.no_frame(1.0)
    with hasty_app.connect(device) as connection:
        hasty_app.send("ada", alert="next")
        assert connection.frame()["alert"] == "next"


def test_promise_03_every_device_gets_its_own(app):
    """Without needConfirm: never silently lost, whichever devices of a crowd are online."""
    devices = [app.register("crowd") for _ in range(30)]
    online = [app.connect(device) for device in devices[::3]]
    request_id = app.send("crowd")
    assert {connection.frame()["id"] for connection in online} == {request_id}
    app.await_counts(request_id, handedOff=10, pending=20)
    for device in set(devices) - {connection.device for connection in online}:
        with app.connect(device) as connection:
            assert connection.frame()["id"] == request_id
    app.await_counts(request_id, handedOff=30)


def test_promise_03_vendor_acceptance_ends_nothing(troubled_app):
    """With needConfirm a vendor's acceptance ends nothing: the frame still waits for the next connect."""
    device = troubled_app.register("ada")
    request_id = troubled_app.send("ada", needConfirm=True, options={"trouble": {"deliver": "sent"}})
    troubled_app.await_trail(request_id, device, "trouble")
    assert troubled_app.counts(request_id) == {"pending": 1}
    with troubled_app.connect(device) as connection:
        assert connection.frame()["id"] == request_id


def test_promise_03_vendor_is_asked_once(troubled_app):
    """A transport is not asked again for a device for which it answered SENT, sockets apart."""
    device = troubled_app.register("ada")
    request_id = troubled_app.send("ada", needConfirm=True, options={"trouble": {"deliver": "sent"}})
    troubled_app.await_trail(request_id, device, "trouble")
    with troubled_app.connect(device) as connection:
        connection.frames(2)
    eventually(lambda: asked(troubled_app, request_id, device).count("ws") >= 2)
    assert asked(troubled_app, request_id, device).count("trouble") == 1


def asked(app, request_id, device):
    """The transports that were asked for a device, in order."""
    return [line["transport"] for line in app.delivery(request_id, device)["trail"]]


def test_promise_03_vendor_hand_over_ends_it(troubled_app):
    """Without needConfirm a vendor that accepted the message ends it: no frame at the next connect."""
    device = troubled_app.register("ada")
    request_id = troubled_app.send("ada", options={"trouble": {"deliver": "sent"}})
    troubled_app.await_counts(request_id, handedOff=1)
    with troubled_app.connect(device) as connection:
        troubled_app.send("ada", alert="next")
        assert connection.frame()["alert"] == "next"


@pytest.mark.parametrize("need_confirm", [False, True])
def test_promise_04_first_deliveries_keep_order(app, need_confirm):
    """Per device the order of acceptance, backlog before live, with a connect in the middle of the stream."""
    device = app.register("ada")
    halfway = threading.Event()

    def send_all():
        for number in range(200):
            app.send("ada", alert=str(number), needConfirm=need_confirm)
            if number == 100:
                halfway.set()

    sender = threading.Thread(target=send_all)
    sender.start()
    halfway.wait(20)
    with app.connect(device) as connection:
        assert connection.alerts(200, patience=20) == [str(number) for number in range(200)]
    sender.join()


def test_promise_04_order_survives_reconnects(app):
    """Per device the order of acceptance, though the device hangs up again and again."""
    device = app.register("ada")
    sender = threading.Thread(target=lambda: [app.send("ada", extra=n, needConfirm=True) for n in range(150)])
    sender.start()
    firsts, ids = [], {}
    while len(firsts) < 150:
        with app.connect(device) as connection:
            for frame in take_some(connection, 20):
                ids.setdefault(frame["extra"], set()).add(frame["id"])
                if frame["extra"] not in firsts:
                    firsts.append(frame["extra"])
                connection.confirm(frame["id"])
            connection.heartbeat()
    sender.join()
    assert firsts == list(range(150))
    assert all(len(found) == 1 for found in ids.values())


def take_some(connection, count):
    """At most so many frames, fewer when they stop coming."""
    for _ in range(count):
        try:
            yield connection.frame(0.5)
        except (TimeoutError, Closed):
            return


def test_promise_04_repeat_carries_same_id(hasty_app):
    """A repeat carries the same id and the same text."""
    device = hasty_app.register("ada")
    with hasty_app.connect(device) as connection:
        hasty_app.send("ada", needConfirm=True, extra=["x", 1])
        first = connection.frame()
        assert connection.frame() == first
    with hasty_app.connect(device) as connection:
        assert connection.frame() == first
