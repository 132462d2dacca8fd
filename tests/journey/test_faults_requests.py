"""Faults of senders and store: lost answers, a locked database, races, bad starts.

Rows F17, F33, F36, F37 and F52 of the fault matrix.
"""

import json
import socket
import threading
import time

import pytest

from harness.databases import sqlite_file, writing_alone
from harness.process import ADMIN_TOKEN
from harness.waiting import eventually

LOCKED = 6.5
"""Seconds for which the database is locked: longer than the gateway waits for it."""


def send_and_vanish(app, **headers):
    """Send, and reset the connection before the answer can come."""
    fields = {"appId": app.id, "appKey": app.key, "platform": "ALL", "audienceType": "ALIAS"}
    body = json.dumps({**fields, "audiences": ["ada"], "alert": "hello"}).encode()
    head = {"Host": "gateway", "Content-Type": "application/json", "Content-Length": len(body), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    host, port = app.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as sender:
        sender.sendall(f"POST /msgpush/send HTTP/1.1\r\n{lines}\r\n".encode() + body)
        sender.shutdown(socket.SHUT_WR)


def test_lost_answer_with_key_leads_to_one_message(app):
    """The answer got lost; the same send with the same Idempotency-Key is the same message."""
    with app.connect(app.register("ada")) as connection:
        send_and_vanish(app, **{"Idempotency-Key": "lost"})
        frame = connection.frame()
        again = app.try_send("ada", headers={"Idempotency-Key": "lost"})
        assert again.json() == {"requestId": frame["id"]}
        app.send("ada", alert="next")
        assert connection.frame()["alert"] == "next"


def test_lost_answer_without_key_leads_to_two_messages(app):
    """Without a key nobody can know that it is the same send: two messages with two ids."""
    with app.connect(app.register("ada")) as connection:
        send_and_vanish(app)
        request_id = app.send("ada")
        first, second = connection.frames(2)
        assert first["id"] != second["id"]
        assert request_id in (first["id"], second["id"])


def test_same_key_at_once_leads_to_one_message(app):
    """Twenty senders with one key at the same time: one message; each gets its id, or 409 while it runs."""
    answers = []
    with app.connect(app.register("ada")) as connection:
        threads = [
            threading.Thread(
                target=lambda: answers.append(app.try_send("ada", headers={"Idempotency-Key": "same"}))
            )
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        frame = connection.frame()
        app.send("ada", alert="next")
        assert connection.frame()["alert"] == "next"
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert {answer.json()["requestId"] for answer in answers if answer.ok} == {frame["id"]}


def test_locked_store_is_told_and_heals(mortal_gateway, troubled_gateway, troubled_app):
    """A locked database: not ready, no 200 meanwhile, sockets are served; afterwards all is well.

    What a transport answered meanwhile is written when the database is free again.
    """
    gateway, app = mortal_gateway, mortal_gateway.create_app()
    answers = []
    troubled_app.register("bob")
    outcome = troubled_app.send("bob", options={"trouble": {"deliver": "slow"}})
    eventually(lambda: troubled_app.status(outcome)["state"] == "active")
    with app.connect(app.register("ada")) as connection:
        with writing_alone(troubled_gateway.database), writing_alone(gateway.database):
            began = time.monotonic()
            sender = threading.Thread(target=lambda: answers.append(app.try_send("ada", alert="locked")))
            sender.start()
            checker = threading.Thread(target=lambda: eventually(lambda: not gateway.is_ready()))
            checker.start()
            while checker.is_alive() or time.monotonic() - began < LOCKED:
                asked = time.monotonic()
                connection.heartbeat()
                assert time.monotonic() - asked < 1
                time.sleep(0.05)
            assert [answer.status_code for answer in answers] in ([], [503])
        sender.join()
        gateway.await_ready()
        request_id = app.send("ada", alert="after")
        while connection.frame()["id"] != request_id:
            pass
    app.await_counts(request_id, handedOff=1)
    troubled_app.await_counts(outcome, handedOff=1)


@pytest.mark.parametrize("earlier", range(0, 10, 2))
def test_unregister_races_delivery(app, earlier):
    """When unregister has returned, no frame of a later send starts, whatever was on its way."""
    device = app.register("ada")
    connection = app.connect(device)
    stop = threading.Event()
    sends = []

    def keep_sending():
        while not stop.is_set():
            began = time.monotonic()
            sends.append((began, app.send("ada")))

    sender = threading.Thread(target=keep_sending)
    sender.start()
    eventually(lambda: len(sends) > earlier)
    assert app.unregister(device).status_code == 200
    returned = time.monotonic()
    assert connection.close_code() == 4404
    eventually(lambda: sends[-1][0] > returned)
    stop.set()
    sender.join()
    late = {request_id for began, request_id in sends if began > returned}
    assert late.isdisjoint(frame["id"] for frame in connection.kept())
    for _, request_id in sends:
        eventually(lambda one=request_id: app.status(one)["state"] == "finished")


def test_open_socket_changes_hands(hasty_app):
    """A device registers under another alias while its socket is open: the old queue stays away."""
    device = hasty_app.register("ada", token="shared")
    with hasty_app.connect(device) as connection:
        old = hasty_app.send("ada", needConfirm=True)
        connection.frame()
        hasty_app.register("bob", token="shared")
        hasty_app.await_counts(old, cancelled=1)
        new = hasty_app.send("bob", needConfirm=True)
        assert [frame["id"] for frame in connection.frames(3)] == [new] * 3
        connection.confirm(old)
        connection.confirm(new)
        hasty_app.await_counts(new, confirmed=1)
    assert hasty_app.counts(old) == {"cancelled": 1}


BAD_STARTS = {
    "unknown plugin": ({"plugins": {"load": ["nobody"]}}, "nobody"),
    "required plugin fails": (
        {"plugins": {"load": ["trouble"], "required": ["trouble"]}, "trouble": {"create": "raise"}},
        "trouble",
    ),
    "unknown key": ({"server": {"bindd": "x"}}, "server.bindd"),
    "unknown table": ({"sever": {"bind": "x"}}, "sever"),
    "unknown plugin key": ({"ws": {"nothing": 1}}, "nothing"),
    "bad value": ({"delivery": {"queue_limit": 0}}, "delivery.queue_limit"),
}


@pytest.mark.parametrize(("settings", "named"), BAD_STARTS.values(), ids=BAD_STARTS)
def test_bad_start_says_why(prepare_gateway, settings, named):
    """A bad setting or plugin: non-zero within five seconds, one line that names it, no secret."""
    check_bad_start(prepare_gateway(**settings), named)


@pytest.mark.sqlite
def test_too_many_workers_for_sqlite_say_why(prepare_gateway):
    """SQLite serves one worker: more end the start."""
    check_bad_start(prepare_gateway(server={"workers": 2}), "server.workers")


def test_start_on_taken_port_says_why(prepare_gateway):
    """An occupied port ends the start."""
    gateway = prepare_gateway()
    with socket.create_server(("127.0.0.1", gateway.port)):
        check_bad_start(gateway, "server.bind")


@pytest.mark.sqlite
def test_start_on_broken_database_says_why(prepare_gateway):
    """A database that is none ends the start."""
    gateway = prepare_gateway()
    sqlite_file(gateway.database).write_bytes(b"this is no database, but long enough to be looked at" * 100)
    check_bad_start(gateway, "store.database")


def check_bad_start(gateway, named):
    """The gateway ends soon, with an error, one line, and no secret in it."""
    assert gateway.spawn().process.wait(5) != 0
    lines = [line for line in gateway.log_text().splitlines() if not line.startswith("{")]
    assert len(lines) == 1
    assert named in lines[0]
    assert ADMIN_TOKEN not in gateway.log_text()


def test_logs_keep_secrets(gateway, app):
    """Keys, tokens, device ids, mobiles and contents never reach a log."""
    token, mobile, text = "a-native-token", "+49-170-5550100", "a very private text"
    device = app.register("a-private-alias", token=token, mobile=mobile)
    with app.connect(device) as connection:
        app.send("a-private-alias", alert=text, extra={"private": text})
        connection.frame()
        connection.send_text(f"nonsense {device}")
        connection.confirm(f"x{device}"[:60])
        connection.heartbeat()
    app.post("/msgpush/send", {"appId": app.id, "appKey": app.key + "x", "alert": text})
    app.unregister(device + "x")
    app.unregister(device)
    secrets = [token, mobile, text, device, app.key, "a-private-alias", ADMIN_TOKEN]
    assert [secret for secret in secrets if secret in gateway.log_text()] == []
