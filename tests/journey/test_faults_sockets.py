"""Faults on the way to a device: slow, silent, cut off, flooding, all at once.

Rows F21, F23, F24, F28, F31 and F32 of the fault matrix.
"""

import random
import threading
import time
from itertools import pairwise

import pytest

from harness.waiting import eventually

pytestmark = pytest.mark.once  # sockets in trouble, not the store

BIG = "y" * 50_000
STRANGE_IDS = ["", "nobody", "x" * 60, "x" * 4000, "'; DROP TABLE message; --", "\0"]


@pytest.fixture(scope="module")
def strict_gateway(start_gateway):
    """A gateway that soon notices silence."""
    return start_gateway(ws={"ping_interval": 1.0, "ping_timeout": 0.5})


@pytest.fixture
def strict_app(strict_gateway):
    """A new app of ``strict_gateway``."""
    yield strict_gateway.create_app()
    strict_gateway.close_apps()


def test_slow_reader_is_cut_off_and_loses_nothing(mortal_gateway):
    """A reader that does not read is closed with 1013; the others get all, and so does it when it is back."""
    app = mortal_gateway.create_app()
    slow, quick = app.register("crowd"), app.register("crowd")
    stalled = app.connect(slow, receive_buffer=4096)
    with app.connect(quick) as reader:
        requests = []
        for _ in range(120):
            requests.append(app.send("crowd", extra=BIG))
            assert reader.frame()["id"] == requests[-1]
    assert stalled.close_code() == 1013
    early = [frame["id"] for frame in stalled.kept()]
    assert 0 < len(early) < len(requests)
    with app.connect(slow) as back:
        late = [back.frame()["id"]]
        while late[-1] != requests[-1]:
            late.append(back.frame()["id"])
    assert late in (requests[len(early) :], requests[len(early) - 1 :])


def test_silent_socket_is_dropped(strict_app):
    """A peer that answers no ping is offline after ping interval and timeout; one that answers stays."""
    silent, alive = strict_app.register("ada"), strict_app.register("ada")
    half_open = strict_app.connect(silent, silent=True)
    with strict_app.connect(alive) as connection:
        connection.no_frame(2.5)
        assert not strict_app.is_online("ada", silent)
        assert strict_app.is_online("ada", alive)
        request_id = strict_app.send("ada")
        connection.frame()
        strict_app.await_counts(request_id, handedOff=1, pending=1)
    half_open.close()
    with strict_app.connect(silent) as back:
        assert back.frame()["id"] == request_id


@pytest.mark.parametrize("seed", range(4))
def test_reset_in_mid_frame_repeats_message(app, seed):
    """A connection reset somewhere in a frame: the message comes again, with the same id and text."""
    device = app.register("ada")
    request_id = app.send("ada", extra=BIG, needConfirm=True)
    cut = app.connect(device, receive_buffer=4096)
    length = random.Random(seed).randrange(1, len(BIG))
    while length > 0:
        length -= len(cut.socket.recv(min(length, 4096)))
    cut.reset()
    with app.connect(device) as connection:
        frame = connection.frame()
        connection.confirm(frame["id"])
        app.await_counts(request_id, confirmed=1)
    assert (frame["id"], frame["extra"]) == (request_id, BIG)


def test_reset_of_full_socket_loses_nothing(app):
    """Without needConfirm: what was not written completely before the reset waits for the next."""
    device = app.register("ada")
    stalled = app.connect(device, receive_buffer=4096)
    requests = [app.send("ada", extra=BIG) for _ in range(100)]
    eventually(lambda: app.status(requests[-1])["state"] != "dispatching")
    stalled.reset()
    eventually(lambda: not app.is_online("ada", device))
    handed = [app.counts(request_id).get("handedOff", 0) for request_id in requests]
    assert 0 < sum(handed) < len(requests)
    with app.connect(device) as back:
        assert [frame["id"] for frame in back.frames(100 - sum(handed))] == requests[sum(handed) :]
    for request_id in requests:
        app.await_counts(request_id, handedOff=1)


def test_herd_gets_its_backlog_in_order(app):
    """Three hundred devices with ten messages each come back at once: all get all, in order."""
    devices = [app.register("herd") for _ in range(300)]
    requests = [app.send("ALL", alert=str(number)) for number in range(10)]
    got = {}

    def come_back(device):
        with app.connect(device) as connection:
            got[device] = [frame["id"] for frame in connection.frames(10, patience=20)]

    threads = [threading.Thread(target=come_back, args=(device,)) for device in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(got.values()) == [requests] * 300
    for request_id in requests:
        app.await_counts(request_id, handedOff=300)


def test_lost_confirm_brings_repeat_on_schedule(hasty_app):
    """A confirm that never arrives: the same id again after the gap ±20 %; the next confirm ends it."""
    device = hasty_app.register("ada")
    with hasty_app.connect(device) as connection:
        request_id = hasty_app.send("ada", needConfirm=True)
        times = []
        for _ in range(3):
            assert connection.frame()["id"] == request_id
            times.append(time.monotonic())
        connection.confirm(request_id)
        hasty_app.await_counts(request_id, confirmed=1)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    look = 0.7  # the core looks every half second what is due
    assert 0.24 <= gaps[0] + 0.02 <= 0.36 + look
    assert 0.48 <= gaps[1] + 0.02 <= 0.72 + look


def test_strange_confirms_change_nothing(gateway, app):
    """Confirms of unknown, foreign, huge or broken ids change nothing, and their sender hears nothing."""
    app.register("ada")
    request_id = app.send("ada", needConfirm=True)
    with app.connect(app.register("bob")) as connection:
        for name in (*STRANGE_IDS, request_id, f" {request_id}"):
            connection.confirm(name)
        connection.send_text("CFM")
        connection.send_text(f"cfm:{request_id}")
        connection.heartbeat()
        assert connection.kept() == []
        marker = app.send("bob", needConfirm=True)
        connection.confirm(connection.frame()["id"])
        app.await_counts(marker, confirmed=1)
    assert app.counts(request_id) == {"pending": 1}
    assert gateway.is_ready()


def test_confirm_twice_counts_once(app):
    """A confirm repeated a hundred times counts once."""
    with app.connect(app.register("ada")) as connection:
        request_id = app.send("ada", needConfirm=True)
        connection.frame()
        for _ in range(100):
            connection.confirm(request_id)
        app.await_counts(request_id, confirmed=1)
        connection.heartbeat()
    assert app.counts(request_id) == {"confirmed": 1}


def test_binary_confirm_is_refused(app):
    """A binary frame ends the connection with 1003 and confirms nothing."""
    device = app.register("ada")
    with app.connect(device) as connection:
        request_id = app.send("ada", needConfirm=True)
        connection.frame()
        connection.send_binary(f"CFM:{request_id}".encode())
        assert connection.close_code() == 1003
    assert app.counts(request_id) == {"pending": 1}


def test_confirm_storm_is_cut_off(app):
    """A client that floods is closed with 1008; nobody else notices."""
    flooding, quiet = app.connect(app.register("ada")), app.connect(app.register("bob"))
    for number in range(8000):
        flooding.send_text(f"CFM:{number}")
    assert flooding.close_code() == 1008
    request_id = app.send("bob")
    assert quiet.frame()["id"] == request_id
