"""A1 to A16: the defects of the original service, one regression test each."""

import threading

import pytest
import requests
from websockets.exceptions import InvalidStatus

from harness.connection import Closed
from harness.waiting import eventually


def test_a01_every_offline_device_keeps_a_copy(app):
    """The original kept a pending copy for the last device of a page only."""
    devices = [app.register("ada") for _ in range(3)]
    request_id = app.send("ada", needConfirm=True)
    for device in devices:
        with app.connect(device) as connection:
            assert connection.frame()["id"] == request_id


def test_a02_offline_vendor_device_stops_nobody(troubled_app):
    """The original left the loop at the first offline iOS device, and never called the vendor."""
    devices = [troubled_app.register("ada", "IOS"), *(troubled_app.register("ada") for _ in range(3))]
    online = troubled_app.connect(devices[-1])
    request_id = troubled_app.send("ada", needConfirm=True, options={"trouble": {"deliver": "sent"}})
    assert online.frame()["id"] == request_id
    for device in devices[:-1]:
        troubled_app.await_trail(request_id, device, "trouble")
        with troubled_app.connect(device) as connection:
            assert connection.frame()["id"] == request_id
    for device in devices[:-1]:
        trail = troubled_app.delivery(request_id, device)["trail"]
        assert [line["outcome"] for line in trail if line["transport"] == "trouble"] == ["sent"]


def test_a03_answered_request_outlives_worker(mortal_gateway):
    """The original answered while the fan-out sat in memory."""
    app = mortal_gateway.create_app()
    devices = [app.register("crowd") for _ in range(10)]
    request_id = app.send("crowd", needConfirm=True)
    mortal_gateway.kill_worker()
    mortal_gateway.await_ready()
    for device in devices:
        with app.connect(device) as connection:
            assert connection.frame()["id"] == request_id
    assert app.status(request_id)["total"] == 10


def test_a04_foreign_confirm_deletes_nothing(gateway, app):
    """The original deleted a pending message for whoever named its id."""
    owner = app.register("ada")
    request_id = app.send("ada", needConfirm=True)
    other = gateway.create_app("other")
    for stranger, device in ((app, app.register("bob")), (other, other.register("ada"))):
        with stranger.connect(device) as connection:
            connection.confirm(request_id)
            connection.heartbeat()
            marker = stranger.send(device, audienceType="DEVICE", needConfirm=True)
            connection.confirm(connection.frame()["id"])
            stranger.await_counts(marker, confirmed=1)
    with app.connect(owner) as connection:
        assert connection.frame()["id"] == request_id


def test_a05_late_close_leaves_newer_socket(app):
    """The original forgot the newer socket when the older one closed."""
    device = app.register("ada")
    old, new = app.connect(device), app.connect(device)
    old.close_code()
    old.reset()
    for number in range(5):
        app.send("ada", alert=str(number))
    assert new.alerts(5) == ["0", "1", "2", "3", "4"]


def test_a06_live_messages_stay_behind_backlog(app):
    """The original let new messages overtake the backlog while it was sent."""
    device = app.register("ada")
    for number in range(300):
        app.send("ada", alert=str(number))
    sender = threading.Thread(target=lambda: [app.send("ada", alert=str(n)) for n in range(300, 400)])
    sender.start()
    with app.connect(device) as connection:
        assert connection.alerts(400, patience=20) == [str(number) for number in range(400)]
    sender.join()


@pytest.mark.parametrize("need_confirm", [False, True])
def test_a07_expired_message_is_not_replayed(app, need_confirm):
    """The original replayed expired messages for ever."""
    device = app.register("ada")
    request_id = app.send("ada", needConfirm=need_confirm, duration=1)
    app.await_counts(request_id, expired=1)
    with app.connect(device) as connection:
        app.send("ada", alert="next")
        assert connection.frame()["alert"] == "next"


def test_a08_unconfirmed_message_is_repeated_while_connected(hasty_app):
    """The original repeated on reconnect only."""
    device = hasty_app.register("ada")
    with hasty_app.connect(device) as connection:
        request_id = hasty_app.send("ada", needConfirm=True)
        assert [frame["id"] for frame in connection.frames(2)] == [request_id] * 2


def test_a09_queue_stays_with_its_person(app):
    """The original gave the queue of user 1 to user 2 on a shared phone."""
    device = app.register("user-1", token="shared")
    request_id = app.send("user-1", needConfirm=True)
    app.await_counts(request_id, pending=1)
    app.unregister(device)
    assert app.register("user-2", token="shared") == device
    with app.connect(device) as connection:
        app.send("user-2", alert="for user 2")
        assert connection.frame()["alert"] == "for user 2"
    assert app.counts(request_id) == {"cancelled": 1}


def test_a10_tenant_decides_who_gets_it(app):
    """The original stored tenantCode and never looked at it."""
    red, blue = (app.connect(app.register("ada", tenantCode=tenant)) for tenant in ("red", "blue"))
    for tenant in ("red", "blue"):
        app.send("ada", alert=tenant, tenantCode=tenant)
        app.send("ALL", alert=f"all {tenant}", tenantCode=tenant)
    assert red.alerts(2) == ["red", "all red"]
    assert blue.alerts(2) == ["blue", "all blue"]


def test_a11_stalled_reader_stalls_nobody(app):
    """The original held one lock while it wrote to all sockets."""
    stalled = app.connect(app.register("crowd"), receive_buffer=4096)
    others = [app.connect(app.register("crowd")) for _ in range(10)]
    requests_ = [app.send("crowd", alert="x" * 4000, extra="y" * 50_000) for _ in range(30)]
    for connection in others:
        assert [frame["id"] for frame in connection.frames(30)] == requests_
    assert stalled.frame()["id"] == requests_[0]


def test_a12_registrations_disturb_no_broadcast(mortal_gateway):
    """The original skipped or repeated devices when others registered during a send to all."""
    app = mortal_gateway.create_app()
    early = {app.register(f"person-{number}") for number in range(150)}
    stop = threading.Event()
    churn = threading.Thread(target=register_and_leave, args=(app, stop))
    churn.start()
    known = [app.send("ALL", needConfirm=True) for _ in range(3)]
    for request_id in known:
        eventually(lambda one=request_id: app.status(one)["state"] == "active")
        reached = [one["deviceId"] for one in app.deliveries(request_id)]
        assert len(reached) == len(set(reached))
        assert early <= set(reached)
    stop.set()
    churn.join()


def register_and_leave(app, stop):
    """Keep registering devices, and unregister every other one."""
    while not stop.is_set():
        app.unregister(app.register("visitor"))
        app.register("visitor")


def test_a13_plain_message_waits_for_offline_device(app):
    """The original stored nothing without needConfirm, or for less than 300 seconds."""
    device = app.register("ada")
    app.send("ada", alert="plain")
    app.send("ada", alert="short", needConfirm=True, duration=60)
    with app.connect(device) as connection:
        assert connection.alerts(2) == ["plain", "short"]


def test_a14_apps_are_for_admins(gateway, app):
    """The original created apps and showed keys to everybody, and took any web origin."""
    for call in (
        requests.post(f"{gateway.url}/apps/", data="x"),
        requests.get(f"{gateway.url}/apps/{app.id}"),
    ):
        assert call.status_code == 401
        assert app.key not in call.text
    shown = requests.get(f"{gateway.url}/apps/{app.id}", headers=gateway.admin)
    assert shown.status_code == 200
    assert app.key not in shown.text
    device = app.register("ada")
    with pytest.raises(InvalidStatus) as refused:
        app.connect(device, origin="https://evil.example")
    assert refused.value.response.status_code == 403


def test_a15_device_registers_for_valid_app(app):
    """The original refused every device, because it checked a key that nobody had given."""
    assert len(app.register("ada")) >= 32
    body = {"appId": "nobody", "alias": "ada", "platform": "WEB", "nativeToken": "t"}
    assert app.post("/msgpush/register", body).status_code == 404


@pytest.mark.parametrize("query", ["", "?deviceId", "?deviceId=", "?deviceId&x=1", "?%FF=%00&&=", "?x"])
def test_a16_malformed_query_is_refused(app, query):
    """The original failed with an exception on a query key without a value."""
    with pytest.raises(Closed) as closed:
        app.connect("", query=query).frame()
    assert closed.value.code == 4400


def test_a16_unknown_device_is_refused(app):
    """The original saved null when an unknown id was unregistered."""
    for device in ("nobody", "0" * 40, "%00", "a" * 500):
        assert app.unregister(device).status_code == 404
    with pytest.raises(Closed) as closed:
        app.connect("0" * 40).frame()
    assert closed.value.code == 4404
