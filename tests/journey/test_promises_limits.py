"""Promises 8 to 11 of design.md: retries, bounds, the ledger's balance, and stopping."""

import threading
import time

from harness.connection import Closed
from harness.waiting import eventually

STATES = ["pending", "confirmed", "handedOff", "expired", "cancelled", "dropped"]


def ask(behaviour):
    """Options with which the test's own vendor plugin answers so."""
    return {"options": {"trouble": {"deliver": behaviour}}}


def outcomes(app, request_id, device, transport="trouble"):
    """What a transport answered for a device, in order."""
    trail = app.delivery(request_id, device)["trail"]
    return [line["outcome"] for line in trail if line["transport"] == transport]


def test_promise_08_vendor_call_is_retried(troubled_app):
    """A vendor in trouble is asked again inside the message's life, until it takes the message."""
    device = troubled_app.register("ada")
    request_id = troubled_app.send("ada", **ask("fail twice"))
    troubled_app.await_counts(request_id, handedOff=1)
    assert outcomes(troubled_app, request_id, device) == ["failed", "failed", "sent"]


def test_promise_08_retries_end_with_expiry(troubled_app):
    """Retries stay inside the message's life."""
    device = troubled_app.register("ada")
    request_id = troubled_app.send("ada", duration=1, **ask("fail"))
    troubled_app.await_counts(request_id, expired=1)
    tried = outcomes(troubled_app, request_id, device)
    marker = troubled_app.send("ada", **ask("fail twice"))
    troubled_app.await_counts(marker, handedOff=1)
    assert tried == outcomes(troubled_app, request_id, device) == ["failed"] * len(tried)
    assert len(tried) >= 2


def test_promise_08_dead_token_is_forgotten(troubled_app):
    """A dead token is forgotten: the vendor is not asked again, until the device registers anew."""
    device = troubled_app.register("ada", token="t")
    first = troubled_app.send("ada", **ask("gone"))
    assert troubled_app.await_trail(first, device, "trouble")["reason"] == "no such token"
    second = troubled_app.send("ada", **ask("sent"))
    with troubled_app.connect(device) as connection:
        assert [frame["id"] for frame in connection.frames(2)] == [first, second]
    troubled_app.await_counts(second, handedOff=1)
    assert outcomes(troubled_app, second, device) == []
    assert troubled_app.register("ada", token="t") == device
    third = troubled_app.send("ada", **ask("sent"))
    troubled_app.await_counts(third, handedOff=1)


def test_promise_08_bad_request_is_not_retried(troubled_app):
    """A bad request is not retried; other ways to the device stay open."""
    device = troubled_app.register("ada")
    request_id = troubled_app.send("ada", needConfirm=True, **ask("fail for good"))
    troubled_app.await_trail(request_id, device, "trouble")
    with troubled_app.connect(device) as connection:
        connection.frames(2)
    assert outcomes(troubled_app, request_id, device) == ["failed"]


def test_promise_09_body_is_bounded(app):
    """A body over 64 KiB is refused with a code."""
    answer = app.try_send("ada", extra="x" * 70_000)
    assert (answer.status_code, answer.json()["code"]) == (413, 41301)


def test_promise_09_client_frame_is_bounded(app):
    """A frame over 4 KiB ends the connection with 1009."""
    with app.connect(app.register("ada")) as connection:
        connection.send_text("x" * 5000)
        assert connection.close_code() == 1009


def test_promise_09_queue_is_bounded(hasty_app):
    """The queue of a device is bounded: the oldest is dropped, and the ledger says why."""
    device = hasty_app.register("ada")
    requests = [hasty_app.send("ada", alert=str(number)) for number in range(8)]
    for request_id in requests[:3]:
        hasty_app.await_counts(request_id, dropped=1)
        assert hasty_app.delivery(request_id, device)["trail"][-1]["reason"] == "queue full"
    with hasty_app.connect(device) as connection:
        assert connection.alerts(5) == ["3", "4", "5", "6", "7"]


def test_promise_09_queue_of_online_device_is_bounded(hasty_app):
    """A device that never confirms has a bounded queue too."""
    device = hasty_app.register("ada")
    with hasty_app.connect(device):
        requests = [hasty_app.send("ada", needConfirm=True) for _ in range(8)]
        for request_id in requests[:3]:
            hasty_app.await_counts(request_id, dropped=1)
        for request_id in requests[3:]:
            hasty_app.await_counts(request_id, pending=1)


def test_promise_09_calls_in_flight_are_bounded(troubled_gateway, troubled_app):
    """The calls in flight to one vendor are bounded, and what waits for them is not lost."""
    devices = [troubled_app.register(f"person-{number}") for number in range(40)]
    requests = [troubled_app.send(f"person-{number}", **ask("slow")) for number in range(40)]
    for request_id in requests:
        troubled_app.await_counts(request_id, patience=30, handedOff=1)
    assert len(devices) == len(requests)
    assert 1 < troubled_gateway.metric("trouble_calls_most") <= 8


def test_promise_10_ledger_balances_at_any_moment(hasty_app):
    """accepted × devices = the sum of all states, whenever one looks, whatever goes on."""
    devices = [hasty_app.register("crowd") for _ in range(20)]
    late = hasty_app.register("crowd", token="leaver")
    requests, seen = [], []
    stop = threading.Event()

    def look():
        while not stop.is_set():
            time.sleep(0.005)
            seen.extend(hasty_app.status(request_id) for request_id in requests[-4:])

    def be_online(device):
        with hasty_app.connect(device) as connection:
            while not stop.is_set():
                confirm_next(connection)

    threads = [threading.Thread(target=be_online, args=(device,)) for device in devices[:8]]
    threads.append(threading.Thread(target=look))
    for thread in threads:
        thread.start()
    for number in range(12):
        life = 1 if number % 5 == 0 else 60
        requests.append(hasty_app.send("crowd", needConfirm=number % 2 == 0, duration=life))
    hasty_app.cancel(requests[-1])
    hasty_app.unregister(late)
    for request_id in requests:
        eventually(lambda one=request_id: hasty_app.status(one)["state"] != "dispatching")
    stop.set()
    for thread in threads:
        thread.join()
    assert seen
    assert all(sum(status["counts"].values()) == status["total"] for status in seen)
    final = [hasty_app.status(request_id) for request_id in requests]
    assert [status["total"] for status in final[:-1]] == [21] * 11
    for status in final:
        states = [one["state"] for one in hasty_app.deliveries(status["requestId"])]
        assert status["counts"] == {state: states.count(state) for state in STATES}


def confirm_next(connection):
    """Take a frame if one comes soon, and confirm it."""
    try:
        connection.confirm(connection.frame(0.05)["id"])
    except (TimeoutError, Closed):
        return


def test_promise_11_stop_loses_nothing(start_gateway):
    """Stop: sockets get 1012, the exit takes seconds, and nothing is missing afterwards."""
    gateway = start_gateway()
    app = gateway.create_app()
    online, offline = app.register("ada"), app.register("ada")
    connection = app.connect(online)
    requests = [app.send("ada", needConfirm=number < 20) for number in range(50)]
    assert gateway.terminate() < 5
    assert connection.close_code() == 1012
    received = [frame["id"] for frame in connection.kept()]
    gateway.start()
    again = app.connect(online)
    missing = requests[:20] + requests[max(20, len(received)) :]
    assert received == requests[: len(received)]
    assert [frame["id"] for frame in again.frames(len(missing))] == missing
    assert [frame["id"] for frame in app.connect(offline).frames(50)] == requests
