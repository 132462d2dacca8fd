"""The ``onepush`` commands: this module is the group; each command has a file of its own.

Commands import what they need when they run, so that ``--help`` is quick. Plugins add commands through the
entry-point group ``onepush.commands``.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Any

import click

from onepush_core.cli.failures import Failure
from onepush_core.errors import ConfigurationError, OnepushError
from onepush_core.installed import entry_points_of

COMMAND_GROUP = "onepush.commands"
OWN_COMMANDS = {
    "app": "onepush_core.cli.app:app",
    "migrate": "onepush_core.cli.migrate:migrate",
    "plugin": "onepush_core.cli.plugin:plugin",
    "plugins": "onepush_core.cli.plugins:plugins",
    "send": "onepush_core.cli.send:send",
    "serve": "onepush_core.cli.serve:serve",
    "status": "onepush_core.cli.status:status",
}


class Commands(click.Group):
    """A group that imports a command when it is asked for, and turns our errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of our commands and of the plugins' commands."""
        return sorted({*OWN_COMMANDS, *_plugin_commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None; a plugin's command that cannot be imported is reported on stderr."""
        if cmd_name in OWN_COMMANDS:
            module, _, attribute = OWN_COMMANDS[cmd_name].partition(":")
            command: click.Command = getattr(import_module(module), attribute)
            return command
        point = _plugin_commands().get(cmd_name)
        return _load(point) if point else None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours becomes one line and exit code 1."""
        try:
            return super().invoke(ctx)
        except (ConfigurationError, OnepushError) as error:
            raise Failure(str(error)) from error


def _plugin_commands() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points_of(COMMAND_GROUP)}


def _load(point: EntryPoint) -> click.Command | None:
    from onepush_core.finding import check_release

    try:
        check_release(point)
        command = point.load()
    except Exception as error:  # a broken plugin must not take the other commands along
        package = point.dist.name if point.dist else point.module
        click.echo(f"onepush: command {point.name} of {package} does not load: {error}", err=True)
        return None
    return command if isinstance(command, click.Command) else None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="onepush-core", prog_name="onepush")
def main() -> None:
    """Onepush: a push gateway whose channels are plugins."""
