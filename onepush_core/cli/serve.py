"""``onepush serve``."""

from __future__ import annotations

import os
from typing import Any

import click

from onepush_core.cli.settings import installed_plugins, settings_from, settings_options


@click.command(short_help="Run the gateway.")
@settings_options()
def serve(**options: Any) -> None:
    """Run the gateway until it is told to stop (TERM or Ctrl-C).

    Every option is also a variable and a key of the TOML file: see docs/settings.md.
    """
    settings = settings_from(options)

    from onepush_core.logs import configure_logs
    from onepush_core.serve import serve as run

    configure_logs(settings.log)
    warn_of_stray_variables()
    run(settings)


def warn_of_stray_variables() -> None:
    """Name the variables that look like settings and are none."""
    import structlog

    from onepush_core.settings_sources import stray_variables

    for name in stray_variables(os.environ, installed_plugins()):
        structlog.get_logger("onepush.serve").warning("variable_sets_nothing", variable=name)
