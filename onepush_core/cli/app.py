"""``onepush app``: the apps that may send, and their keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from onepush_core.cli.gateway import open_gateway
from onepush_core.cli.output import print_columns, print_json
from onepush_core.cli.settings import DATABASE, settings_options

Command = Callable[..., Any]


@click.group(short_help="Create and manage apps.")
def app() -> None:
    """Create and manage apps: the senders, each with an id and a key."""


def _options(command: Command) -> Command:
    """The options that every app command has."""
    as_json = click.option("--json", "as_json", is_flag=True, help="print JSON")
    return settings_options([DATABASE])(as_json(command))


@app.command()
@click.argument("name")
@_options
def create(name: str, as_json: bool, **options: Any) -> None:
    """Create an app and print its id and key. The key is not shown again."""
    with open_gateway(options) as gateway:
        _print_key(gateway.create_app(name), as_json)


@app.command("list")
@_options
def list_apps(as_json: bool, **options: Any) -> None:
    """List all apps."""
    with open_gateway(options) as gateway:
        apps = gateway.apps()
    if as_json:
        return print_json(apps)
    rows = [[one["id"], _state(one), one["createdAt"], one["name"]] for one in apps]
    print_columns(["ID", "STATE", "CREATED", "NAME"], rows)


@app.command()
@click.argument("app_id")
@_options
def show(app_id: str, as_json: bool, **options: Any) -> None:
    """Show one app."""
    with open_gateway(options) as gateway:
        found = gateway.find_app(app_id)
    if as_json:
        return print_json(found)
    for label, value in [("id", found["id"]), ("name", found["name"]), ("state", _state(found))]:
        click.echo(f"{label:8} {value}")
    click.echo(f"{'created':8} {found['createdAt']}")


@app.command()
@click.argument("app_id")
@_options
def disable(app_id: str, as_json: bool, **options: Any) -> None:
    """Refuse an app's calls and devices until it is enabled again."""
    _set_enabled(app_id, False, as_json, options)


@app.command()
@click.argument("app_id")
@_options
def enable(app_id: str, as_json: bool, **options: Any) -> None:
    """Let a disabled app work again."""
    _set_enabled(app_id, True, as_json, options)


@app.command("rotate-key")
@click.argument("app_id")
@_options
def rotate_key(app_id: str, as_json: bool, **options: Any) -> None:
    """Give an app a new key and print it. The key before it stays valid until the next rotation."""
    with open_gateway(options) as gateway:
        _print_key(gateway.rotate_key(app_id), as_json)


def _set_enabled(app_id: str, enabled: bool, as_json: bool, options: dict[str, Any]) -> None:
    with open_gateway(options) as gateway:
        gateway.set_enabled(app_id, enabled)
        found = gateway.find_app(app_id)
    if as_json:
        return print_json(found)
    click.echo(f"{found['id']} is {_state(found)}")


def _print_key(created: dict[str, str], as_json: bool) -> None:
    if as_json:
        return print_json(created)
    click.echo(f"appId   {created['appId']}")
    click.echo(f"appKey  {created['appKey']}")
    click.echo("Keep the key: it is stored as a hash and cannot be shown again.", err=True)


def _state(found: dict[str, Any]) -> str:
    return "enabled" if found["enabled"] else "disabled"
