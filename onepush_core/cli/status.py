"""``onepush status``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from onepush_core.cli.client import client_options, open_client
from onepush_core.cli.failures import TimedOut
from onepush_core.cli.output import print_json

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

PERIOD = 0.5  # seconds between two looks
ENDED = ("finished", "cancelled")
LABELS = {
    "confirmed": "confirmed",
    "handedOff": "handed off",
    "expired": "expired",
    "cancelled": "cancelled",
    "dropped": "dropped",
    "pending": "pending",
}


@click.command(short_help="Show what became of a message.")
@click.argument("request_id")
@click.option("--watch", is_flag=True, help="follow it until every delivery has ended")
@click.option(
    "--timeout", type=float, metavar="SECONDS", help="with --watch: give up after so long (exit code 4)"
)
@click.option("--json", "as_json", is_flag=True, help="print JSON; with --watch a line for each change")
@client_options
def status(
    request_id: str, watch: bool, timeout: float | None, as_json: bool, url: str, app_id: str, app_key: str
) -> None:
    """Show what became of the message REQUEST_ID."""
    client = open_client(url, app_id, app_key)
    if not watch:
        return _print(client.status(request_id), as_json)
    changes = follow(lambda: client.status(request_id), timeout, time.monotonic, time.sleep)
    if not as_json:
        return _draw(changes)
    for change in changes:
        print_json(change)


def follow(
    look: Callable[[], dict[str, Any]],
    timeout: float | None,
    now: Callable[[], float],
    sleep: Callable[[float], None],
) -> Iterator[dict[str, Any]]:
    """Each state of a message that differs from the one before, up to the last. Raises TimedOut."""
    deadline = None if timeout is None else now() + timeout
    before: dict[str, Any] | None = None
    while True:
        found = look()
        if found != before:
            yield found
        if found["state"] in ENDED:
            return
        if deadline is not None and now() >= deadline:
            raise TimedOut("the message is not finished yet")
        before = found
        sleep(PERIOD)


def ended_count(found: dict[str, Any]) -> int:
    """How many deliveries have ended, in whatever way."""
    pending: int = found["counts"]["pending"]
    return int(found["total"]) - pending


def summary(found: dict[str, Any]) -> str:
    """The counts that are not zero, in words."""
    counts = found["counts"]
    return (
        ", ".join(f"{counts[key]:,} {label}" for key, label in LABELS.items() if counts.get(key)) or "nobody"
    )


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(found)
    click.echo(f"{'state':10} {found['state']}")
    click.echo(f"{'accepted':10} {found['acceptedAt']}")
    click.echo(f"{'expires':10} {found['expiresAt']}")
    click.echo(f"{'devices':10} {found['total']:,}: {summary(found)}")
    for name, counts in found["transports"].items():
        words = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items() if count)
        click.echo(f"{name:10} {words or '-'}")
    if "warning" in found:
        click.echo(f"onepush: {found['warning']}", err=True)


def _draw(changes: Iterator[dict[str, Any]]) -> None:
    """A progress bar that grows with the deliveries that have ended, and the whole status at the end."""
    found = next(changes)
    with _progress_bar(found) as bar:
        bar.update(ended_count(found), found)
        for found in changes:
            bar.length = max(found["total"], 1)
            bar.update(ended_count(found) - bar.pos, found)
    _print(found, as_json=False)


def _shown(found: dict[str, Any] | None) -> str | None:
    return None if found is None else summary(found)


def _progress_bar(found: dict[str, Any]) -> ProgressBar[dict[str, Any]]:
    return click.progressbar(
        length=max(found["total"], 1),
        label="ended",
        show_pos=True,
        width=30,
        file=sys.stderr,
        item_show_func=_shown,
        hidden=not sys.stderr.isatty(),
    )
