"""``onepush serve``."""

from __future__ import annotations

from typing import Any

import click

from onepush_core.cli.settings import settings_from, settings_options


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
    run(settings)
