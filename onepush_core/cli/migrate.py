"""``onepush migrate``."""

from __future__ import annotations

from typing import Any

import click

from onepush_core.cli.gateway import open_gateway
from onepush_core.cli.output import print_json
from onepush_core.cli.settings import DATABASE, settings_options


@click.command(short_help="Bring the database up to date.")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@settings_options([DATABASE])
def migrate(as_json: bool, **options: Any) -> None:
    """Bring the database's tables up to date, the plugins' too. `onepush serve` does it at every start."""
    with open_gateway(options, migrate=False) as gateway:
        applied = gateway.migrate()
    if as_json:
        return print_json({"applied": applied})
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("nothing to do")
