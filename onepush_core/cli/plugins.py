"""``onepush plugins``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from onepush_core.cli.gateway import open_gateway
from onepush_core.cli.output import print_columns, print_json
from onepush_core.cli.settings import DATABASE, settings_options

if TYPE_CHECKING:
    from onepush_core.roster import PluginState

Found = dict[str, Any]


@click.command(short_help="List the plugins.")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@click.option("--verbose", is_flag=True, help="also what each plugin says of itself")
@settings_options([DATABASE])
def plugins(as_json: bool, verbose: bool, **options: Any) -> None:
    """List the plugins: name, version, range of the API, state and why, hooks; and who is called when.

    Where a gateway runs at `server.bind`, the states are those that it tells; they show how it has started.
    """
    with open_gateway(options, lenient=True) as gateway:
        order = gateway.hook_order()
        bind = gateway.settings.server.bind
        running = _ask(bind)
        required = gateway.settings.plugins.required
        found = [
            {**_as_object(state, running or {}), "required": state.name in required, **_hooks(state, order)}
            for state in gateway.plugin_states()
        ]
        details = gateway.plugin_details() if verbose else {}
    if as_json:
        return print_json([{**one, **_details(one, details, verbose)} for one in found])
    _print(found, order, details)
    told = "as the gateway at" if running is not None else "without a start, since no gateway answers at"
    click.echo(f"\nThis is onepush API {_version()}. States: {told} {bind}.")


def _ask(bind: str) -> dict[str, Found] | None:
    from onepush_core.cli.running import running_plugins

    return running_plugins(bind)


def _version() -> str:
    from onepush_core.contract import VERSION

    return VERSION


def _details(one: Found, details: dict[str, list[str]], verbose: bool) -> Found:
    return {"details": details.get(one["name"], [])} if verbose else {}


def _as_object(state: PluginState, running: dict[str, Found]) -> Found:
    """A plugin for scripts. ``running``: what the running gateway says goes before what we found."""
    told = {"state": state.state, "reason": state.reason, "detail": state.detail or None}
    now = running.get(state.name)
    if now is not None and (now["state"], now.get("reason")) != (state.state, state.reason):
        told = {"state": now["state"], "reason": now.get("reason"), "detail": None}
    return {
        "name": state.name,
        "version": state.version,
        "api": state.api,
        **told,
        "running": now is not None,
    }


def _hooks(state: PluginState, order: dict[str, list[str]]) -> Found:
    """``places``: how many are called before it, by hook."""
    return {"hooks": state.hooks, "places": {hook: order[hook].index(state.name) for hook in state.hooks}}


def _print(found: list[Found], order: dict[str, list[str]], details: dict[str, list[str]]) -> None:
    rows = [_row(one) for one in found]
    print_columns(["NAME", "VERSION", "API", "STATE", "HOOKS", "WHY"], rows)
    click.echo()
    print_columns(["HOOK", "IN CALLING ORDER"], [[hook, ", ".join(names)] for hook, names in order.items()])
    for name, lines in details.items():
        click.echo("\n".join(["", f"{name}:", *(f"  {line}" for line in lines)]))


def _row(one: Found) -> list[str]:
    hooks = ", ".join(one["hooks"])
    return [one["name"], one["version"] or "-", one["api"] or "-", one["state"], hooks or "-", _why(one)]


def _why(one: Found) -> str:
    why = ": ".join(filter(None, [one["reason"], one["detail"]]))
    no_start = one["required"] and one["state"] == "set aside"
    return f"{why}; it is required: the gateway does not start" if no_start else why
