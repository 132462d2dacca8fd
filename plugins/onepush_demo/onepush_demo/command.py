"""``onepush demo``."""

from __future__ import annotations

import os
import signal
from types import FrameType

import click


@click.command(short_help="Start a gateway and play the journeys of messages.")
@click.option("--bind", envvar="ONEPUSH_BIND", default="127.0.0.1:8080", show_default=True, help="HOST:PORT")
@click.option(
    "--database",
    envvar="ONEPUSH_DATABASE",
    default="sqlite:///var/onepush.db",
    show_default=True,
    help="database URL",
)
@click.option("--once", is_flag=True, help="end after the journeys")
def demo(bind: str, database: str, once: bool) -> None:
    """Start a gateway, play the journeys of messages against it, and go on serving until Ctrl-C.

    Every other setting comes from ONEPUSH_* variables, and from the file that ONEPUSH_CONFIG names.
    """
    # Not before: every onepush command imports this file, and only this one needs the rest.
    from onepush_demo.run import run_demo

    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _interrupt)
    run_demo(bind, database, once, os.environ)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Take one way out for Ctrl-C, TERM and a terminal that is closed.

    SystemExit, because gevent prints a traceback for KeyboardInterrupt.
    """
    click.echo("\nstopping")
    raise SystemExit(0)
