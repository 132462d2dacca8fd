"""``onepush migrate``."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from onepush_core.cli.output import print_json
from onepush_core.cli.settings import DATABASE, settings_from, settings_options


@click.command(short_help="Bring the database up to date.")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@settings_options([DATABASE])
def migrate(as_json: bool, **options: Any) -> None:
    """Bring the database's tables up to date, the plugins' too. `onepush serve` does it at every start."""
    applied = _migrate(options)
    if as_json:
        return print_json({"applied": applied})
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("nothing to do")


def _migrate(options: dict[str, Any]) -> list[str]:
    settings = settings_from(options)

    from onepush_core.gateway import Gateway
    from onepush_core.logs import configure_logs

    configure_logs(settings.log)
    gateway = Gateway(settings)
    with closing(gateway.engine):
        return gateway.migrate()
