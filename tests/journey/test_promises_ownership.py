"""Promises 5 to 7 of design.md: for whom a frame is, until when, and on which socket."""

from harness.waiting import eventually

TENANTS = [None, "red", "blue"]
PLATFORMS = ["ANDROID", "IOS", "PC", "WEB"]


def receivers(app, connections, **fields):
    """Which of the connections (by name) get a message; a second one to all tells when to stop waiting."""
    request_id = app.send(**{"audiences": ["ALL"], **fields})
    marker = app.send("ALL", alert="marker")
    got = {}
    for name, connection in connections.items():
        frames = []
        while (frame := connection.frame())["id"] != marker:
            frames.append(frame["id"])
        assert frames in ([], [request_id]), "a message of somebody else"
        got[name] = frames
    app.await_counts(request_id, **({"handedOff": n} if (n := sum(map(len, got.values()))) else {}))
    return {name for name, frames in got.items() if frames}


def test_promise_05_frames_stay_within_app(gateway, app):
    """A frame goes only to devices of the same app, though alias and token are the same in another."""
    other = gateway.create_app("other")
    mine = app.register("ada", token="same")
    theirs = other.register("ada", token="same")
    assert mine != theirs
    with app.connect(mine) as connection, other.connect(theirs) as foreign:
        app.send("ada", alert="mine")
        app.send("ALL", alert="all of mine")
        app.send(theirs, audienceType="DEVICE", alert="not mine")
        other.send("ada", alert="theirs")
        assert foreign.frame()["alert"] == "theirs"
        assert connection.alerts(2) == ["mine", "all of mine"]


def test_promise_05_frames_stay_within_tenant(app):
    """Where a tenant is given: devices of that tenant and those that named none."""
    connections = {one: app.connect(app.register("ada", tenantCode=one)) for one in TENANTS}
    assert receivers(app, connections, tenantCode="red") == {"red", None}
    assert receivers(app, connections, tenantCode="blue") == {"blue", None}
    assert receivers(app, connections, tenantCode="green") == {None}
    assert receivers(app, connections) == set(TENANTS)
    assert receivers(app, connections, tenantCode="") == set(TENANTS)


def test_promise_05_frames_stay_within_platform(app):
    """Where a platform is given: devices of that platform."""
    connections = {one: app.connect(app.register("ada", one)) for one in PLATFORMS}
    for platform in PLATFORMS:
        assert receivers(app, connections, platform=platform) == {platform}
    assert receivers(app, connections) == set(PLATFORMS)


def test_promise_05_frames_stay_within_audience(app):
    """Aliases and devices that are named, and no others."""
    devices = {alias: app.register(alias) for alias in ("ada", "bob", "Ada", "ada ")}
    connections = {alias: app.connect(device) for alias, device in devices.items()}
    assert receivers(app, connections, audiences=["ada"]) == {"ada"}
    assert receivers(app, connections, audiences=["ada", "bob", "nobody"]) == {"ada", "bob"}
    assert receivers(app, connections, audiences=[devices["Ada"]], audienceType="DEVICE") == {"Ada"}


def test_promise_05_new_alias_cancels_old_queue(app):
    """Re-registering a device under another alias cancels the old person's queue."""
    token = "shared-phone"
    device = app.register("ada", token=token)
    request_id = app.send("ada", needConfirm=True)
    app.await_counts(request_id, pending=1)
    assert app.register("bob", token=token) == device
    app.await_counts(request_id, cancelled=1)
    with app.connect(device) as connection:
        app.send("ada", alert="for ada")
        app.send("bob", alert="for bob")
        assert connection.frame()["alert"] == "for bob"


def test_promise_06_expired_message_stays_away(app):
    """Nothing leaves at or after its expiry: not at a connect, and the ledger says expired."""
    device = app.register("ada")
    request_id = app.send("ada", duration=1)
    app.await_counts(request_id, expired=1)
    with app.connect(device) as connection:
        app.send("ada", alert="next")
        assert connection.frame()["alert"] == "next"
    assert app.delivery(request_id, device)["attempts"] == 0


def test_promise_06_transient_message_is_not_kept(app):
    """duration 0: only those whom the first round reaches; nothing is kept for the others."""
    here, there = app.register("ada"), app.register("ada")
    with app.connect(here) as connection:
        request_id = app.send("ada", duration=0)
        assert connection.frame()["id"] == request_id
        app.await_counts(request_id, handedOff=1, expired=1)
    with app.connect(there) as connection:
        app.send("ada", alert="next")
        assert connection.frame()["alert"] == "next"


def test_promise_06_foreign_confirm_counts_for_nobody(app):
    """Confirms count only from the device they were addressed to."""
    mine, yours = app.register("ada"), app.register("bob")
    request_id = app.send("ada", needConfirm=True)
    with app.connect(yours) as stranger:
        stranger.confirm(request_id)
        stranger.heartbeat()
        marker = app.send("bob", needConfirm=True)
        stranger.confirm(stranger.frame()["id"])
        app.await_counts(marker, confirmed=1)
    assert app.counts(request_id) == {"pending": 1}
    with app.connect(mine) as connection:
        assert connection.frame()["id"] == request_id


def test_promise_06_confirm_of_one_device_leaves_the_other(app):
    """A confirm counts for its own device only, though both belong to one person."""
    first, second = app.register("ada"), app.register("ada")
    with app.connect(first) as one, app.connect(second) as two:
        request_id = app.send("ada", needConfirm=True)
        two.frame()
        one.confirm(one.frame()["id"])
        app.await_counts(request_id, confirmed=1, pending=1)
    assert app.delivery(request_id, first)["state"] == "confirmed"
    assert app.delivery(request_id, second)["state"] == "pending"


def test_promise_06_confirm_after_expiry_changes_nothing(app):
    """An ended delivery stays as it ended."""
    device = app.register("ada")
    with app.connect(device) as connection:
        request_id = app.send("ada", needConfirm=True, duration=1)
        connection.frame()
        app.await_counts(request_id, expired=1)
        connection.confirm(request_id)
        marker = app.send("ada", needConfirm=True)
        connection.confirm(connection.frame()["id"])
        app.await_counts(marker, confirmed=1)
    assert app.counts(request_id) == {"expired": 1}


def test_promise_07_newest_socket_wins(app):
    """One live socket per device; the old one gets 4408, its late close cannot evict the new one."""
    device = app.register("ada")
    old, new = app.connect(device), app.connect(device)
    assert old.close_code() == 4408
    old.close()
    app.send("ada")
    new.frame()
    assert app.is_online("ada", device)
    new.close()
    eventually(lambda: not app.is_online("ada", device))


def test_promise_07_sockets_race(gateway, app):
    """Of twenty sockets opened for a device, nineteen are closed and one gets the message, once."""
    device = app.register("ada")
    sockets = [app.connect(device) for _ in range(20)]
    assert [one.close_code() for one in sockets[:-1]] == [4408] * 19
    request_id = app.send("ada")
    assert sockets[-1].frame()["id"] == request_id
    app.await_counts(request_id, handedOff=1)
    sockets[-1].no_frame(0.1)


def send_large(app, number):
    """Send a frame of 24 KB; its text and requestId."""
    text = f"{number}:{'x' * 4000}"
    return text, app.send("ada", alert=text, extra="y" * 20_000)


def send_until_stalled(app, most):
    """Send until the kernel takes no more for the only device; the texts sent."""
    texts = []
    for number in range(most):
        text, request_id = send_large(app, number)
        texts.append(text)
        eventually(lambda request_id=request_id: app.status(request_id)["state"] != "dispatching")
        if app.status(request_id)["state"] == "active":
            return texts
    raise AssertionError("the kernel takes everything")


def test_promise_07_replaced_socket_leaves_nothing_behind(app):
    """What the old socket did not take goes to the new one, in order; a frame cut in two may come twice."""
    device = app.register("ada")
    stalled = app.connect(device, receive_buffer=4096)
    texts = send_until_stalled(app, 400) + [send_large(app, number)[0] for number in range(400, 405)]
    fresh = app.connect(device)
    assert stalled.close_code() == 4408
    early = [frame["alert"] for frame in stalled.kept()]
    late = [fresh.frame()["alert"]]
    while late[-1] != texts[-1]:
        late.append(fresh.frame()["alert"])
    assert 0 < len(early) < len(texts)
    assert late in (texts[len(early) :], texts[len(early) - 1 :])
    assert early == texts[: len(early)]


def test_promise_07_unconfirmed_goes_to_newest_socket(app):
    """With needConfirm the new socket gets everything that the old one did not confirm."""
    device = app.register("ada")
    old = app.connect(device)
    requests = [app.send("ada", needConfirm=True) for _ in range(5)]
    old.frames(5)
    old.confirm(requests[0])
    app.await_counts(requests[0], confirmed=1)
    assert [frame["id"] for frame in app.connect(device).frames(4)] == requests[1:]
