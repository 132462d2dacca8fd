"""One gateway of two worker processes: the same promises behind one address."""

from __future__ import annotations

import pytest

from harness.waiting import eventually


@pytest.fixture(scope="module")
def gateway(start_host):
    """Two workers, both up: each has a session."""
    one = start_host(workers=2)
    eventually(lambda: len(one.workers()) == 2)
    return one


@pytest.fixture
def app(gateway):
    """A new app."""
    yield gateway.create_app()
    gateway.close_apps()


def test_workers_deliver_to_each_others_sockets(app):
    """Many devices, whichever worker took their sockets: each gets every message once, in order."""
    connections = [app.connect(app.register("ann")) for _ in range(30)]
    sent = [app.send("ann", alert=str(number)) for number in range(20)]
    for connection in connections:
        assert [frame["id"] for frame in connection.frames(20)] == sent
    app.await_counts(sent[-1], handedOff=30)
    for connection in connections:
        connection.no_frame(0.01)


def test_workers_share_a_broadcast(app, gateway):
    """A send to ALL reaches the sockets of both workers, and the status adds up."""
    connections = [app.connect(app.register(f"user{number}")) for number in range(40)]
    message = app.send("ALL", needConfirm=True)
    for connection in connections:
        assert connection.frame()["id"] == message
        connection.confirm(message)
    app.await_counts(message, confirmed=40)


def test_workers_know_who_is_online(app):
    """Whichever worker answers knows of every socket."""
    device = app.register("ann")
    with app.connect(device):
        for _ in range(10):
            assert app.is_online("ann", device)
    eventually(lambda: not app.is_online("ann", device))
