"""Devices in the store: registered, registered again, given to another person, forgotten."""

from __future__ import annotations

import pytest

from core_doubles import add_device, make_app
from inside_gateway import counts, running, send, settle
from onepush_core.errors import UnknownApp, UnknownDevice
from onepush_core.objects import Registration, Selector
from onepush_core.store import devices


@pytest.fixture
def gateway(tmp_path):
    """A gateway without any transport: everything stays pending."""
    with running(tmp_path) as started:
        yield started


@pytest.fixture
def app(gateway):
    return make_app(gateway)


def register(gateway, app, token="t", alias="ann", platform="ANDROID", **more) -> str:
    return gateway.register(app.id, Registration(alias=alias, platform=platform, token=token, **more))


def row(gateway, device_id: str) -> dict:
    names = "key alias platform vendor mobile tenant gone active since"
    return gateway.read(
        lambda transaction: dict(
            zip(
                names.split(),
                transaction.row(f"SELECT {names.replace(' ', ', ')} FROM device WHERE id = ?", (device_id,)),
                strict=True,
            )
        )
    )


def pending(gateway, device_id: str) -> list[str]:
    device = gateway.find_device(device_id)
    return [] if device is None else [message.id for message in gateway.backlog(device.key, 0, 100)]


def test_register_answers_a_secret_id(gateway, app):
    """At least 128 random bits, another one for each device."""
    ids = {register(gateway, app, token=f"t{number}") for number in range(50)}
    assert len(ids) == 50
    assert all(len(bytes.fromhex(one)) >= 16 for one in ids)


def test_register_refuses_an_unknown_app(gateway):
    """There is nobody to register with."""
    with pytest.raises(UnknownApp):
        gateway.register("nobody", Registration(alias="ann", platform="WEB", token="t"))


def test_register_updates_a_known_token(gateway, app):
    """The same token keeps its id; what it says of itself is taken over, each tag once."""
    first = register(gateway, app, tags=("a", "b"), vendor="V", mobile="1")
    again = register(gateway, app, tags=("b", "c", "b"), mobile="2")
    found = row(gateway, first)
    assert again == first
    assert (found["vendor"], found["mobile"]) == (None, "2")
    assert gateway.read(lambda transaction: devices.tags_of(transaction, found["key"])) == ["b", "c"]


def test_register_tells_apps_apart(gateway, app):
    """The same token in another app is another device."""
    assert register(gateway, app) != register(gateway, make_app(gateway, "other"))


def test_register_again_keeps_the_queue(gateway, app):
    """Nothing is lost when the same person's app starts anew."""
    device_id = register(gateway, app)
    message = send(gateway, app)
    settle(gateway)
    register(gateway, app, vendor="V")
    assert pending(gateway, device_id) == [message]


@pytest.mark.parametrize("change", [{"alias": "ben"}, {"tenant": "red"}, {"platform": "IOS"}], ids=str)
def test_register_for_another_person_cancels_the_queue(gateway, app, change):
    """What was meant for the one before is cancelled, and whoever holds the connection hears of it."""
    heard = []
    gateway.on("device_rebound", heard.append)
    device_id = register(gateway, app)
    message = send(gateway, app)
    settle(gateway)
    register(gateway, app, **change)
    assert counts(gateway, app, message) == {"cancelled": 1}
    assert pending(gateway, device_id) == []
    assert heard == [row(gateway, device_id)["key"]]


def test_since_keeps_a_new_device_out_of_earlier_messages(gateway, app):
    """Who registers between acceptance and dispatch is not in the audience."""
    register(gateway, app, token="early")
    gateway.dispatcher.stopping = True
    message = send(gateway, app)
    register(gateway, app, token="late")
    gateway.dispatcher.stopping = False
    gateway.dispatcher.recover()
    settle(gateway)
    assert gateway.status(app, message)["total"] == 1


def test_since_keeps_a_rebound_device_out_of_earlier_messages(gateway, app):
    """A device that now is Ben's does not get what was sent to Ben before."""
    device_id = register(gateway, app, token="t", alias="ann")
    gateway.dispatcher.stopping = True
    message = send(gateway, app, Selector("ALIAS", ("ben",)))
    register(gateway, app, token="t", alias="ben")
    gateway.dispatcher.stopping = False
    gateway.dispatcher.recover()
    settle(gateway)
    assert gateway.status(app, message)["total"] == 0
    later = send(gateway, app, Selector("ALIAS", ("ben",)))
    settle(gateway)
    assert pending(gateway, device_id) == [later]


def test_unregister_cancels_the_queue(gateway, app):
    """The row stays, inactive; a second time changes nothing; registering again begins with nothing."""
    device_id = register(gateway, app)
    message = send(gateway, app)
    settle(gateway)
    gateway.unregister(device_id)
    gateway.unregister(device_id)
    assert counts(gateway, app, message) == {"cancelled": 1}
    assert gateway.find_device(device_id) is None
    assert register(gateway, app) == device_id
    assert pending(gateway, device_id) == []


def test_unregister_refuses_an_unknown_device(gateway):
    """An id that never was."""
    with pytest.raises(UnknownDevice):
        gateway.unregister("nobody")


def test_register_revives_a_dead_address(gateway, app):
    """A token that a transport declared dead counts again when the device says that it has it."""
    device_id = register(gateway, app)
    key = row(gateway, device_id)["key"]
    gateway.forget("vendor", [key])
    gateway.flush()
    assert row(gateway, device_id)["gone"] == "vendor"
    register(gateway, app)
    assert row(gateway, device_id)["gone"] is None


def test_devices_are_found_by_their_tokens(gateway, app):
    """Only active ones of this app and vendor."""
    key = add_device(gateway, app, "one", vendor="V")
    add_device(gateway, app, "two", vendor="W")
    add_device(gateway, make_app(gateway, "other"), "one", vendor="V")
    gateway.unregister(register(gateway, app, token="three", vendor="V"))
    assert gateway.find_by_tokens(app.key, "V", ["one", "two", "three"]) == [key]


def test_delivery_names_nobody_else(tmp_path):
    """A device that changed hands is not shown under its new owner's name for what came before."""
    with running(tmp_path) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t", "ann")
        message = send(gateway, app)
        settle(gateway)
        assert gateway.deliveries(app, message, None, 10)["deliveries"][0]["alias"] == "ann"
        add_device(gateway, app, "t", "bob")
        assert "alias" not in gateway.deliveries(app, message, None, 10)["deliveries"][0]


@pytest.mark.sqlite
def test_database_is_its_owners_only(tmp_path):
    """The file holds tokens, numbers and texts: nobody else may read it."""
    with running(tmp_path):
        assert (tmp_path / "onepush.db").stat().st_mode & 0o077 == 0
