"""The whole path, once: register, connect, send, receive, confirm, ask; online and offline."""


def test_journey_reaches_every_device_of_a_person(app):
    """One device is online and one is not; both get the message, confirm it, and the sender sees it."""
    here, there = app.register("ada"), app.register("ada", "IOS")
    with app.connect(here) as online:
        request_id = app.send("ada", alert="lunch?", needConfirm=True, extra={"table": 4})
        frame = online.frame()
        online.confirm(frame["id"])
        app.await_counts(request_id, confirmed=1, pending=1)
    assert frame == {
        "id": request_id,
        "appId": app.id,
        "alert": "lunch?",
        "pushMsgType": "MSG",
        "needConfirm": True,
        "extra": {"table": 4},
    }
    with app.connect(there) as late:
        assert late.frame() == frame
        late.confirm(frame["id"])
        app.await_counts(request_id, confirmed=2)
    assert app.status(request_id)["state"] == "finished"
