"""A gateway without a transport takes messages, keeps them, and tells everybody who asks what is missing."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version

import pytest
from click.testing import CliRunner

from core_doubles import add_device, make_app
from harness.databases import database_url, look_into
from inside_gateway import counts, running, send, settle, trail
from onepush_core.cli import main
from onepush_core.hookspecs import hookimpl
from onepush_core.no_transport import explain, installed_plugins, known_transports
from onepush_core.objects import Outcomes, Status
from onepush_core.roster import ACTIVE, ASIDE, IDLE, PluginState
from onepush_core.testing import await_that

KNOWN = ["acme-socket", "acme-phone"]


def plugin(name, state, reason=None, hooks=("deliver",)):
    """The state of a plugin."""
    return PluginState(name, "1.0", list(hooks), state, reason)


def test_nothing_installed_names_what_could_be():
    """The distributions that onepush-core knows of."""
    states = [plugin("core.key", ACTIVE, hooks=["authenticate_app"])]
    assert explain(states, {}, KNOWN) == "no transport is loaded; not installed: acme-socket, acme-phone"


def test_what_is_there_says_why_it_delivers_nothing():
    """Set aside, idle, or not loaded; whoever delivers nothing anyway is left out."""
    states = [
        plugin("socket", ASIDE, "does not import: ImportError", hooks=()),
        plugin("phone", IDLE, "no credentials"),
        plugin("groups", IDLE, "no groups", hooks=["resolve_audience"]),
        plugin("words", ACTIVE, hooks=["resolve_audience"]),
    ]
    installed = {"socket": "acme-socket", "phone": "acme-phone", "mail": "acme-mail", "words": "acme-words"}
    assert explain(states, installed, KNOWN) == (
        "no transport is loaded; socket is set aside (does not import: ImportError);"
        " phone is idle (no credentials); not loaded: mail"
    )


def test_known_transports_are_in_the_metadata():
    """The extra ``transports`` names them; code of the core names no channel."""
    known = known_transports()
    assert known
    assert all(name.startswith("onepush-") for name in known)
    assert "pytest" not in known


def test_installed_plugins_name_their_distributions():
    """What is found here is installed here."""
    for distribution in installed_plugins().values():
        try:
            assert version(distribution)
        except PackageNotFoundError:
            pytest.fail(distribution)


def test_sender_is_told(app):
    """The send is accepted with a warning; status and trail say the same, and the message waits."""
    device = app.register("ada")
    answer = app.try_send("ada")
    assert answer.status_code == 200
    assert answer.json()["warning"].startswith("no transport is loaded; not")
    request_id = answer.json()["requestId"]
    app.await_counts(request_id, pending=1)
    assert app.status(request_id)["warning"] == answer.json()["warning"]
    line = app.await_trail(request_id, device, "onepush")
    assert (line["outcome"], line["reason"]) == ("waiting", "no transport is loaded")


def test_transient_message_is_over_at_once(app):
    """``duration: 0``: nobody could be reached, and the trail says why."""
    device = app.register("ada")
    request_id = app.send("ada", duration=0)
    app.await_counts(request_id, expired=1)
    assert app.await_trail(request_id, device, "onepush")["reason"] == "no transport is loaded"


@pytest.mark.parametrize("need_confirm", [False, True])
def test_message_waits_for_a_start_with_a_transport(tmp_path, need_confirm):
    """What was accepted without one is offered when the gateway starts with one, of whatever kind."""

    class Vendor:
        @hookimpl
        def deliver(self, message, devices):
            return [Outcomes(devices.keys, Status.SENT)]

    with running(tmp_path) as gateway:
        app = make_app(gateway)
        add_device(gateway, app, "t")
        message = send(gateway, app, need_confirm=need_confirm)
        settle(gateway)
    for _ in range(2):
        with running(tmp_path) as gateway:
            gateway.followup.run_due()
            settle(gateway)
    with running(tmp_path, Vendor()) as gateway:
        await_that(lambda: ("one", "sent", None) in trail(gateway, app, message))
        await_that(lambda: counts(gateway, app, message) == {"pending" if need_confirm else "handedOff": 1})
    assert trail_of_waiting(tmp_path) == 1


def trail_of_waiting(folder):
    """How many lines of the trail say that there was no transport."""
    [(number,)] = look_into(database_url(folder), "SELECT count(*) FROM trail WHERE outcome = 'waiting'")
    return number


def test_commands_tell_on_stderr(app):
    """``send`` prints the id on stdout and the warning on stderr, and so does ``status``; both end with 0."""
    variables = {"ONEPUSH_URL": app.url, "ONEPUSH_APP_ID": app.id, "ONEPUSH_APP_KEY": app.key}
    sent = CliRunner().invoke(main, ["send", "hello", "--to", "ada"], env=variables)
    asked = CliRunner().invoke(main, ["status", sent.stdout.strip()], env=variables)
    scripted = CliRunner().invoke(main, ["send", "hello", "--to", "ada", "--json"], env=variables)
    assert [sent.exit_code, asked.exit_code, scripted.exit_code] == [0, 0, 0]
    assert sent.stderr.startswith("onepush: no transport is loaded; not")
    assert asked.stderr == sent.stderr
    assert json.loads(scripted.stdout)["warning"] in sent.stderr
