"""Each example of docs/hooks.md does what the page says, in a gateway of this process."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from falcon.testing import TestClient
from gevent.event import Event

from core_doubles import add_device, make_app, make_gateway, store_table
from inside_gateway import PATIENCE, counts, running, send, settle, trail
from onepush_core import AuthenticationFailed, InvalidAudience, InvalidField, Selector, Status
from onepush_core.gateway import Gateway
from onepush_core.plugins import HOOKS
from onepush_core.testing import ManualClock, RecordingSockets, Stage, await_that
from tests.docs.reading import python_blocks, read, run_block, sections

SECTIONS = sections(read("hooks.md"))
EXAMPLES = {
    "authenticate_app": "Tickets",
    "resolve_audience": "Teams",
    "check_send": "Pager",
    "check_registration": "PagerNumbers",
    "deliver": "PagerTransport",
    "check_back": "Patience",
    "on_confirm": "Tally",
    "register_routes": "Greetings",
    "shutdown": "Heartbeat",
}


def example(hook: str):
    """The class that a hook's section shows."""
    return run_block(python_blocks(SECTIONS[hook])[1])[EXAMPLES[hook]]


@contextmanager
def serving(folder, name: str, plugin: object) -> Iterator[tuple[Gateway, TestClient]]:
    """A gateway with one plugin of this name, and its HTTP side."""
    stage = Stage(folder, {name: plugin}, settings={"store": store_table(folder)})
    try:
        yield stage.gateway, stage.http
    finally:
        stage.stop()


def test_examples_cover_every_hook():
    """Together the classes implement all ten hooks."""
    implemented = {name for hook in EXAMPLES for name in dir(example(hook)) if name in HOOKS}
    assert implemented == set(HOOKS)


def test_tickets_open_an_app(tmp_path):
    """A valid ticket replaces the key, another one does not, and the key still works."""
    with running(tmp_path, example("authenticate_app")(lambda ticket: ticket == "ticket:1")) as gateway:
        app = make_app(gateway)
        assert gateway.authenticate(app.id, "ticket:1") == app
        for app_id, ticket in ((app.id, "ticket:2"), ("nobody", "ticket:1")):
            with pytest.raises(AuthenticationFailed):
                gateway.authenticate(app_id, ticket)


def test_teams_are_an_audience(tmp_path):
    """TEAM reaches the aliases of the team, and takes one team at a time."""
    recorder = RecordingSockets()
    with running(tmp_path, example("resolve_audience")(), recorder) as gateway:
        app = make_app(gateway)
        keys = [add_device(gateway, app, alias, alias) for alias in ("red.ann", "red.ben", "reds.cid", "red")]
        send(gateway, app, Selector("TEAM", ("red",)))
        settle(gateway)
        with pytest.raises(InvalidAudience, match="one team"):
            send(gateway, app, Selector("TEAM", ("red", "blue")))
    assert [offered for _, offered in recorder.calls] == [keys[:2]]


def test_pager_refuses_long_texts(tmp_path):
    """40 characters pass, 41 do not, and its own option replaces the alert."""
    with serving(tmp_path, "pager", example("check_send")()) as (gateway, _):
        app = make_app(gateway)
        send(gateway, app, alert="x" * 40)
        send(gateway, app, alert="x" * 41, options={"pager": {"text": "short"}})
        with pytest.raises(InvalidField, match=r"options\.pager\.text: at most 40"):
            send(gateway, app, alert="x" * 41)


def test_pager_numbers_are_digits(tmp_path):
    """A pager's number is checked when its device registers; other devices are not its business."""
    with serving(tmp_path, "pager", example("check_registration")()) as (gateway, _):
        app = make_app(gateway)
        add_device(gateway, app, "555-0100")
        add_device(gateway, app, "5550100", vendor="PAGER")
        with pytest.raises(InvalidField, match="nativeToken: digits only"):
            add_device(gateway, app, "555-0101", vendor="PAGER")


def test_pager_transport_reports_outcomes(tmp_path):
    """Taken, unknown and unreachable are SENT, GONE and FAILED with a retry; others are not its business."""

    def post(token, text):
        if token == "broken":
            raise OSError
        return token == "good"

    with running(tmp_path, example("deliver")(post)) as gateway:
        app = make_app(gateway)
        for token in ("good", "dead", "broken"):
            add_device(gateway, app, token, token, vendor="PAGER")
        add_device(gateway, app, "other", "other")
        lines = {}
        for alias in ("good", "dead", "broken", "other"):
            message = send(gateway, app, Selector("ALIAS", (alias,)))
            if alias != "other":
                await_that(partial(trail, gateway, app, message))
            settle(gateway)
            lines[alias] = trail(gateway, app, message)
    assert lines == {
        "good": [("one", "sent", None)],
        "dead": [("one", "gone", "unknown")],
        "broken": [("one", "failed", "no connection")],
        "other": [],
    }


def test_patience_brings_devices_back(tmp_path):
    """Ten minutes after acceptance a silent device is offered again, though a vendor has taken it."""
    clock, recorder = ManualClock(), RecordingSockets(Status.SENT)
    late = RecordingSockets(Status.SENT)
    late.connected = set()
    with running(tmp_path, example("check_back")(), recorder, late, clock=clock) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        send(gateway, app, need_confirm=True)
        settle(gateway)
        asked = len(late.calls)
        clock.advance(600)
        assert len(late.calls) > asked


def test_tally_counts_confirms(tmp_path):
    """By the transport through which the receipt came."""
    tally = example("on_confirm")()
    with running(tmp_path, tally, RecordingSockets(Status.SENT)) as gateway:
        app = make_app(gateway)
        key = add_device(gateway, app, "t")
        message = send(gateway, app, need_confirm=True)
        settle(gateway)
        gateway.confirm("two", message, key)
        await_that(lambda: tally.confirms)
        assert counts(gateway, app, message) == {"confirmed": 1}
    assert tally.confirms == {"two": 1}


def test_greetings_answer_apps(tmp_path):
    """The mounted resource knows its caller, and refuses others with a code."""
    with serving(tmp_path, "greetings", example("register_routes")()) as (gateway, client):
        made = gateway.create_app("shop")
        basic = base64.b64encode(f"{made['appId']}:{made['appKey']}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}
        assert client.simulate_get("/v1/hello", headers=headers).json == {"hello": "shop"}
        assert client.simulate_get("/v1/hello").json["code"] == 40101


def test_heartbeat_ends_with_the_gateway(tmp_path):
    """It beats while the gateway runs and its greenlet is gone afterwards."""
    beaten = Event()
    heart = example("shutdown")(beaten.set)
    gateway = make_gateway(tmp_path, heart)
    assert beaten.wait(PATIENCE)
    assert not heart._greenlet.dead
    gateway.stop()
    gateway.close()
    assert heart._greenlet.dead
