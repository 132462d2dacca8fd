"""``onepush plugins``."""

from __future__ import annotations

from typing import Any

import click

from onepush_core.cli.gateway import open_gateway
from onepush_core.cli.output import print_columns, print_json
from onepush_core.cli.settings import DATABASE, settings_options


@click.command(short_help="List the plugins.")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@click.option("--verbose", is_flag=True, help="also what each plugin says of itself")
@settings_options([DATABASE])
def plugins(as_json: bool, verbose: bool, **options: Any) -> None:
    """List the plugins: name, version, state and why, and the hooks that each takes part in."""
    with open_gateway(options) as gateway:
        states = gateway.plugin_states()
        details = gateway.plugin_details() if verbose else {}
    if as_json:
        told = [_as_object(state) for state in states]
        return print_json(
            [{**one, "details": details.get(one["name"], [])} for one in told] if verbose else told
        )
    rows = [
        [one.name, one.version or "-", one.state, ", ".join(one.hooks) or "-", one.reason or ""]
        for one in states
    ]
    print_columns(["NAME", "VERSION", "STATE", "HOOKS", "WHY"], rows)
    for name, lines in details.items():
        click.echo("\n".join(["", f"{name}:", *(f"  {line}" for line in lines)]))


def _as_object(state: Any) -> dict[str, Any]:
    return {
        "name": state.name,
        "version": state.version,
        "state": state.state,
        "reason": state.reason,
        "hooks": list(state.hooks),
    }
