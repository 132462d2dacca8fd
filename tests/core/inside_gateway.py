"""What tests do to a gateway in this process: open it, send, and wait until it has nothing to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gevent

from core_doubles import make_stage
from onepush_core.gateway import Gateway
from onepush_core.objects import App, Draft, Selector
from onepush_core.testing.stages import has_untaken

PATIENCE = 20.0
EVERYBODY = Selector("ALL", ("ALL",))


@contextmanager
def running(folder, *plugins, **options) -> Iterator[Gateway]:
    """A started gateway with these plugins (named one, two, three), stopped at the end."""
    stage = make_stage(folder, *plugins, **options)
    try:
        yield stage.gateway
    finally:
        stage.stop()


def send(gateway: Gateway, app: App, selector: Selector = EVERYBODY, **fields) -> str:
    """Send to everybody, or to whom ``selector`` means; the message's id."""
    draft = Draft(**{"alert": "hello", "selector": selector, **fields})
    return gateway.send(app, draft)[0]


def settle(gateway: Gateway) -> None:
    """Wait until no lane has work and everything said so far is written."""
    with gevent.Timeout(PATIENCE):
        gateway.flush()
        while has_untaken(gateway) or not gateway.dispatcher.idle():
            gevent.sleep(0.001)
        gateway.flush()


def counts(gateway: Gateway, app: App, message: str) -> dict[str, int]:
    """The counts of a message that are not zero."""
    return {state: number for state, number in gateway.status(app, message)["counts"].items() if number}


def trail(gateway: Gateway, app: App, message: str) -> list[tuple[str, str, str | None]]:
    """(transport, outcome, reason) of each line of the trail of a message for one device."""
    found = gateway.deliveries(app, message, None, 10)["deliveries"]
    return [
        (line["transport"], line["outcome"], line.get("reason")) for one in found for line in one["trail"]
    ]
