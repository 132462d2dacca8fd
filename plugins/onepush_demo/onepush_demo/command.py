"""``onepush demo``."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import requests

    from onepush_demo.credentials import Credentials


@click.command(short_help="Start a gateway and play a message's journey.")
@click.option("--bind", envvar="ONEPUSH_BIND", default="127.0.0.1:8080", show_default=True, help="HOST:PORT")
@click.option(
    "--database",
    envvar="ONEPUSH_DATABASE",
    default="sqlite:///var/onepush.db",
    show_default=True,
    help="database URL",
)
@click.option("--once", is_flag=True, help="end after the journey")
def demo(bind: str, database: str, once: bool) -> None:
    """Start a gateway, play the journey of a message against it, and go on serving until Ctrl-C."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _interrupt)
    run_demo(bind, database, once, os.environ)


def run_demo(bind: str, database: str, once: bool, environ: Mapping[str, str]) -> None:
    """Everything that the demo does. Raises click.ClickException."""
    import requests

    from onepush_demo import screen, server
    from onepush_demo.credentials import find_or_create_app, key_file

    app = find_or_create_app(database)
    if app:
        screen.show_app(app, key_file(database))
    else:
        screen.show_unknown_key()
    url = f"http://{bind}"
    session = requests.Session()
    session.trust_env = False
    with server.gateway_process(bind, database, environ) as process:
        server.await_ready(process, url, session)
        if app:
            _play(url, app, session)
            screen.show_commands(app, url)
        screen.show_serving(url)
        if not once and process.wait():
            raise click.ClickException("the gateway has ended")


def _play(url: str, app: Credentials, session: requests.Session) -> None:
    from onepush_demo import screen
    from onepush_demo.journey import Journey, JourneyFailed

    click.echo("\nThe journey of a message:")
    try:
        for number, step in enumerate(Journey(url, app, session).play(), start=1):
            screen.show_step(number, step)
    except JourneyFailed as error:
        raise click.ClickException(f"the journey failed: {error}") from error


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Take one way out for Ctrl-C, TERM and a terminal that is closed.

    SystemExit, because gevent prints a traceback for KeyboardInterrupt.
    """
    click.echo("\nstopping")
    raise SystemExit(0)
