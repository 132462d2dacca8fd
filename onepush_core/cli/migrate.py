"""``onepush migrate``."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from onepush_core.cli.failures import Failure
from onepush_core.cli.output import print_json
from onepush_core.cli.settings import DATABASE, settings_from, settings_options


@click.command(short_help="Bring the database up to date.")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@settings_options([DATABASE])
def migrate(as_json: bool, **options: Any) -> None:
    """Bring the database's tables up to date, the plugins' too. `onepush serve` does it at every start."""
    applied, problems = _migrate(options)
    if as_json:
        print_json({"applied": applied})
    else:
        _print(applied, bool(problems))
    if problems:
        raise Failure("; ".join(problems))


def _print(applied: list[str], failed: bool) -> None:
    for name in applied:
        click.echo(f"applied {name}")
    if not (applied or failed):
        click.echo("nothing to do")


def _migrate(options: dict[str, Any]) -> tuple[list[str], list[str]]:
    """What was applied, and which plugins' tables were left as they are."""
    settings = settings_from(options)

    from onepush_core.gateway import Gateway
    from onepush_core.logs import configure_logs

    configure_logs(settings.log)
    gateway = Gateway(settings)
    with closing(gateway.engine):
        return gateway.migrate(), [
            f"plugin {name} is set aside: {fault}" for name, fault in gateway.plugins.roster.aside.items()
        ]
