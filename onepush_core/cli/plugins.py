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
    """List the plugins: name, version, state and why, the hooks of each, and who is called in which order."""
    with open_gateway(options) as gateway:
        states = gateway.plugin_states()
        order = gateway.hook_order()
        details = gateway.plugin_details() if verbose else {}
    if as_json:
        told = [_as_object(state, order) for state in states]
        return print_json(
            [{**one, "details": details.get(one["name"], [])} for one in told] if verbose else told
        )
    rows = [
        [one.name, one.version or "-", one.state, ", ".join(one.hooks) or "-", one.reason or ""]
        for one in states
    ]
    print_columns(["NAME", "VERSION", "STATE", "HOOKS", "WHY"], rows)
    click.echo()
    print_columns(["HOOK", "IN CALLING ORDER"], [[hook, ", ".join(names)] for hook, names in order.items()])
    for name, lines in details.items():
        click.echo("\n".join(["", f"{name}:", *(f"  {line}" for line in lines)]))


def _as_object(state: Any, order: dict[str, list[str]]) -> dict[str, Any]:
    """A plugin for scripts; ``places``: how many are called before it, by hook."""
    return {
        "name": state.name,
        "version": state.version,
        "state": state.state,
        "reason": state.reason,
        "hooks": list(state.hooks),
        "places": {hook: order[hook].index(state.name) for hook in state.hooks},
    }
