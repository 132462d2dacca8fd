"""Options that lead to Settings: ``--config``, and a flag for every setting that may have one."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import click

from onepush_core.installed import entry_points_of
from onepush_core.settings import TYPES, flag_of, meaning_of

if TYPE_CHECKING:
    from onepush_core.settings import Settings

Command = Callable[..., Any]
DATABASE = ("store", "database")
PLUGIN_GROUP = "onepush"


def settings_options(only: Collection[tuple[str, str]] = tuple(TYPES)) -> Callable[[Command], Command]:
    """Add ``--config`` and the flags of these settings to a command; all of them if none are named."""

    def add(command: Command) -> Command:
        for table, key in reversed(list(only)):
            if flag := flag_of(table, key):
                command = _option(flag, table, key)(command)
        if len(only) == len(TYPES):
            command = _set_option(command)
        config = click.option("--config", metavar="FILE", help="TOML file with settings  [$ONEPUSH_CONFIG]")
        return config(command)

    return add


def settings_from(options: dict[str, Any]) -> Settings:
    """Settings from a command's options, the environment and the file. Raises ConfigurationError."""
    from onepush_core.settings_sources import load_settings

    flags = {pair: options.get(_parameter(*pair)) for pair in TYPES}
    flags |= dict(_assignment(text) for text in options.get("assignments", ()))
    return load_settings(options.get("config"), os.environ, flags, installed_plugins())


def installed_plugins() -> list[str]:
    """Names of the plugins that are installed, loaded or not."""
    return [point.name for point in entry_points_of(PLUGIN_GROUP)]


def _option(flag: str, table: str, key: str) -> Callable[[Command], Command]:
    return click.option(flag, _parameter(table, key), metavar="VALUE", help=meaning_of(table, key))


def _set_option(command: Command) -> Command:
    return click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="PLUGIN.KEY=VALUE",
        help="a plugin's setting; may be repeated",
    )(command)


def _assignment(text: str) -> tuple[tuple[str, str], str]:
    name, assigned, value = text.partition("=")
    table, dot, key = name.partition(".")
    if not (assigned and dot and table and key):
        raise click.BadParameter("expected PLUGIN.KEY=VALUE", param_hint="--set")
    return (table, key), value


def _parameter(table: str, key: str) -> str:
    return f"{table}_{key}"
