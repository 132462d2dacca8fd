"""What devices and senders see of an installation of two gateways: nothing of its being two."""

from __future__ import annotations

import itertools
import time

from harness.auditor import audit
from harness.waiting import eventually


def test_hosts_deliver_to_each_others_sockets(clients):
    """Sent here, connected there: the frame arrives, the confirm counts, both gateways tell the same."""
    here, there = clients
    first, second = here.register("ann"), there.register("ann")
    with here.connect(first) as near, there.connect(second) as far:
        message = here.send("ann", needConfirm=True)
        for connection in (near, far):
            assert connection.frame()["id"] == message
            connection.confirm(message)
        here.await_counts(message, confirmed=2)
    assert here.status(message) == there.status(message)


def test_hosts_hand_over_once(clients):
    """Without needConfirm: one frame, one hand-over, and nothing comes again."""
    here, there = clients
    device = here.register("ann")
    with there.connect(device) as far:
        message = here.send("ann")
        assert far.frame()["id"] == message
        here.await_counts(message, handedOff=1)
        far.no_frame(4.0)  # longer than a page that was handed over waits for its answer
    assert here.delivery(message, device)["attempts"] == 1


def test_hosts_keep_the_order_of_acceptance(clients):
    """Sent one after the other, now here, now there: each device gets them in that order."""
    here, there = clients
    first, second = here.register("ann"), here.register("ann")
    with here.connect(first) as near, there.connect(second) as far:
        senders = itertools.cycle((here, there, there))
        sent = [next(senders).send("ann", alert=str(number)) for number in range(60)]
        assert [frame["id"] for frame in near.frames(60)] == sent
        assert [frame["id"] for frame in far.frames(60)] == sent


def test_hosts_send_backlog_before_live(clients):
    """What waited comes first, whoever accepted it."""
    here, there = clients
    device = here.register("ann")
    waited = [one.send("ann") for one in (here, there, here, there)]
    with there.connect(device) as connection:
        live = here.send("ann")
        assert [frame["id"] for frame in connection.frames(5)] == [*waited, live]


def test_newest_socket_wins_across_hosts(clients):
    """The device connects to the other gateway: the old socket is closed, frames go to the new one."""
    here, there = clients
    device = here.register("ann")
    with here.connect(device) as old, there.connect(device) as new:
        assert old.close_code() == 4408
        message = here.send("ann")
        assert new.frame()["id"] == message
        here.await_counts(message, handedOff=1)


def test_sockets_race_across_hosts(clients):
    """Many connects in turn: one socket is left, and messages come to it once each."""
    here, there = clients
    device = here.register("ann")
    sockets = [one.connect(device) for one in (here, there) * 5]
    message = there.send("ann")
    assert sockets[-1].frame()["id"] == message
    for old in sockets[:-1]:
        assert old.close_code() == 4408
    assert here.is_online("ann", device)
    assert there.is_online("ann", device)


def test_device_that_moves_gets_each_message_once(clients):
    """It changes the gateway while messages are on their way: each arrives exactly once, in order."""
    here, there = clients
    device = here.register("ann")
    connection, got, sent = here.connect(device), [], []
    for number in range(120):
        sent.append((here, there)[number % 2].send("ann", alert=str(number)))
        if number % 8 == 7:
            moved = (there, here)[number // 8 % 2].connect(device)
            got += drained(connection)
            connection = moved
    got += [frame["id"] for frame in connection.frames(len(sent) - len(got))]
    assert got == sent
    connection.no_frame(0.5)


def drained(connection) -> list[str]:
    """Ids of the frames that came on a connection before it was closed."""
    connection.close_code()
    return [frame["id"] for frame in connection.kept()]


def test_unregistered_device_is_closed_across_hosts(clients):
    """Unregistered here: the socket there is closed with 4404."""
    here, there = clients
    device = here.register("ann")
    with there.connect(device) as connection:
        here.unregister(device)
        assert connection.close_code() == 4404
    assert not there.is_online("ann", device)


def test_devices_that_move_in_a_stream_get_each_message_once(hosts, start_fleet):
    """Devices change hosts in the middle of a stream, and nothing is broken: each message once, in order."""
    fleet = start_fleet(hosts, groups=2, in_group=6)
    fleet.send(100)
    fleet.move(15)
    time.sleep(4.0)
    seen = fleet.finish()
    print(seen.summary())
    assert seen.moves > 20
    assert audit(seen.history) == []


def test_cancel_reaches_the_other_host(clients):
    """Cancelled here while it waits for a device that connects there: nothing comes."""
    here, there = clients
    device = here.register("ann")
    message, kept = here.send("ann"), here.send("ann")
    here.cancel(message)
    with there.connect(device) as connection:
        assert connection.frame()["id"] == kept
    assert there.status(message)["state"] == "cancelled"


def test_idempotency_key_holds_across_hosts(clients):
    """The same key and body at the other gateway: the same request id; another body: 422."""
    here, there = clients
    here.register("ann")
    headers = {"Idempotency-Key": "once"}
    first = here.try_send("ann", headers=headers)
    again = there.try_send("ann", headers=headers)
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert there.try_send("ann", headers=headers, alert="other").status_code == 422


def test_apps_change_on_all_hosts(hosts):
    """An app switched off here is off there, and its sockets are closed."""
    first, second = hosts
    app = first.create_app()
    device = app.register("ann")
    app.url = second.url
    with app.connect(device) as connection:
        first.run("app", "disable", app.id)
        assert connection.close_code() is not None
    eventually(lambda: app.try_send("ann").status_code == 401)
