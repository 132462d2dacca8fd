"""What the demo prints."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterable
from itertools import count
from pathlib import Path

import click

from onepush_demo.credentials import Credentials
from onepush_demo.steps import Journey, Step

WIDTH = 58


def show_app(app: Credentials | None, key_file: Path) -> None:
    """Say who sends: with the key on the first start, without it later."""
    if app is None:
        show_unknown_key(key_file)
    elif app.new:
        click.echo(f"Created the app {click.style('demo', bold=True)}:")
        click.echo(f"  appId   {app.app_id}")
        click.echo(f"  appKey  {app.key}")
        click.echo(f"The gateway keeps a hash of the key only; the demo keeps the key in {key_file}.")
    else:
        click.echo(f"Using the app {click.style('demo', bold=True)} {app.app_id}; its key is in {key_file}.")
        show_administration(app.app_id)


def show_unknown_key(key_file: Path) -> None:
    """Say how to go on when the app is there and cannot be used."""
    click.echo(f"There is an app demo already, but it is disabled, or its key is not in {key_file}.")
    click.echo("So the demo only serves.")
    click.echo(f"  {program()} app list")
    click.echo(f"  {program()} app enable APP_ID")
    click.echo(f"  {program()} app rotate-key APP_ID    prints a new key")


def show_administration(app_id: str) -> None:
    """How to see the app again."""
    click.echo(f"  {program()} app show {app_id}")
    click.echo(f"  {program()} app rotate-key {app_id}    prints a new key; the old one lives until the next")


def show_journeys(journeys: Iterable[Journey]) -> None:
    """Every step when it has happened, numbered through. Raises what the steps raise."""
    numbers = count(1)
    for journey in journeys:
        click.echo(f"\n{journey.title}")
        for step, number in zip(journey.steps, numbers, strict=False):
            show_step(number, step)


def show_step(number: int, step: Step) -> None:
    """One line of a journey."""
    click.echo(f"{number:4}  {step.what:<{WIDTH}} {step.took * 1000:8.1f} ms")


def show_phone(line: str) -> None:
    """What the OPPO phone shows later on."""
    click.echo(line)


def show_commands(app: Credentials, key_file: Path, url: str) -> None:
    """Three commands to paste: register a device, listen as that device, send to it."""
    body = f'{{"alias":"me","appId":"{app.app_id}","platform":"PC","nativeToken":"my-terminal"}}'
    click.echo("\nTry it yourself, in two more terminals in this folder:")
    click.echo(f"  DEVICE=$(curl -s {url}/msgpush/register -H 'Content-Type: application/json' \\")
    click.echo(f"    -d '{body}' | cut -d'\"' -f4)")
    click.echo(f"  {program()} listen --url {url.replace('http', 'ws', 1)} --device $DEVICE --confirm")
    click.echo(f"  ONEPUSH_APP_KEY=$(cut -d'\"' -f8 {shlex.quote(str(key_file))}) \\")
    click.echo(f"    {program()} send 'Hello' --to me --confirm --url {url} --app {app.app_id}")


def show_serving(url: str) -> None:
    """The last line: what is running, and how it ends."""
    click.echo(f"\nServing on {click.style(url, bold=True)}; Ctrl-C ends it.")


def program() -> str:
    """The ``onepush`` command as one has to type it here."""
    if shutil.which("onepush"):
        return "onepush"
    beside = Path(sys.executable).with_name("onepush")
    here = Path.cwd()
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)
