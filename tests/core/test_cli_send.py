"""``onepush send`` and ``onepush status`` against a running gateway, and their exit codes."""

import json
import socket
from itertools import count

import click
import pytest
from click.testing import CliRunner

from onepush_core.cli import main
from onepush_core.cli.failures import TimedOut
from onepush_core.cli.send import message_body
from onepush_core.cli.status import follow, summary

pytestmark = pytest.mark.once

EMPTY = {"pending": 0, "confirmed": 0, "handedOff": 0, "expired": 0, "cancelled": 0, "dropped": 0}


@pytest.fixture
def invoke(app):
    """Run a command as the app ``app``; click's result."""

    def run(*words, **changes):
        variables = {"ONEPUSH_URL": app.url, "ONEPUSH_APP_ID": app.id, "ONEPUSH_APP_KEY": app.key}
        return CliRunner().invoke(main, words, env=variables | changes)

    return run


def state(name, total=2, **counts):
    """A status answer."""
    return {"state": name, "total": total, "counts": EMPTY | counts}


def test_send_prints_request_id(invoke, app):
    """What send prints is what status takes; nobody is registered, so it is finished at once."""
    done = invoke("send", "hello", "--to", "anyone", "--confirm", "--extra", '{"a": [1]}')
    assert done.exit_code == 0, done.output
    watched = invoke("status", done.stdout.strip(), "--watch", "--json", "--timeout", "10")
    assert watched.exit_code == 0, watched.output
    last = json.loads(watched.stdout.splitlines()[-1])
    assert (last["requestId"], last["state"], last["total"]) == (done.stdout.strip(), "finished", 0)


def test_send_repeats_request_id_for_idempotency_key(invoke):
    """The same key and message give the same request id."""
    command = ["send", "hello", "--to", "anyone", "--idempotency-key", "k-1", "--json"]
    assert json.loads(invoke(*command).stdout) == json.loads(invoke(*command).stdout)


def test_status_shows_pending_device(invoke, app):
    """A message that waits for an offline device is pending; --timeout ends the watch with 4."""
    app.register("anna")
    request_id = invoke("send", "hello", "--to", "anna").stdout.strip()
    app.await_counts(request_id, pending=1)
    assert "1 pending" in invoke("status", request_id).stdout
    assert invoke("status", request_id, "--watch", "--timeout", "0.1").exit_code == 4


def test_send_tells_refusal_with_code(invoke):
    """What the gateway refuses is exit code 1, with the gateway's words and code."""
    done = invoke("send", "hello", "--to", "x", ONEPUSH_APP_KEY="wrong")
    assert done.exit_code == 1
    assert done.stderr == "onepush: unknown app or wrong key (40101)\n"


def test_status_tells_unknown_message(invoke):
    """A request id that never was is exit code 1."""
    done = invoke("status", "nobody")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no such message" in done.stderr


def test_send_tells_unreachable_gateway(invoke):
    """Nobody listens: exit code 3."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = invoke("send", "hello", "--to", "x", ONEPUSH_URL=f"http://127.0.0.1:{port}")
    assert (done.exit_code, done.stderr) == (3, f"onepush: cannot reach http://127.0.0.1:{port}\n")


@pytest.mark.parametrize(
    "words", [["hello"], ["hello", "--to", "x", "--all"], ["hello", "--to", "x", "--extra", "{"], []]
)
def test_send_refuses_wrong_usage(invoke, words):
    """No audience, two, broken JSON or no text: exit code 2."""
    assert invoke("send", *words).exit_code == 2


def test_message_body_leaves_out_what_is_not_given():
    """Only given fields are sent; --all is the audience ALL."""
    body = message_body((), True, None, False, alert="a", title=None, needConfirm=False, badge=0)
    assert body == {
        "alert": "a",
        "needConfirm": False,
        "badge": 0,
        "audiences": ["ALL"],
        "audienceType": "ALIAS",
        "pushMsgType": "MSG",
    }
    with pytest.raises(click.UsageError):
        message_body(("x",), True, None, False)


def test_follow_yields_each_change_once():
    """States that did not change are not told again; the last one ends it."""
    states = [state("active", pending=2), state("active", pending=2), state("active", pending=1, confirmed=1)]
    states.append(state("finished", confirmed=2))
    answers = iter(states)
    assert list(follow(lambda: next(answers), None, lambda: 0.0, lambda _: None)) == [states[0], *states[2:]]


def test_follow_ends_at_timeout():
    """A message that does not finish in time is TimedOut, after its state was told."""
    clock = count()
    changes = follow(lambda: state("active", pending=2), 3, lambda: float(next(clock)), lambda _: None)
    assert next(changes)["state"] == "active"
    with pytest.raises(TimedOut):
        next(changes)


def test_summary_names_counts_that_are_not_zero():
    """The words in a fixed order; nobody when there is nothing to count."""
    assert summary(state("active", pending=1200, handedOff=3)) == "3 handed off, 1,200 pending"
    assert summary(state("finished", total=0)) == "nobody"
