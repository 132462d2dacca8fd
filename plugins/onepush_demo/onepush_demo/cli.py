"""Asking the ``onepush`` command, as a person would: its answers as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import IO, Any

import click

ONEPUSH = (sys.executable, "-m", "onepush_core")


class DemoFailed(click.ClickException):
    """Ends the demo with one line, as every onepush command ends, and exit code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line."""
        click.echo(f"onepush: {self.message}", file=file, err=file is None)


def ask(*command: str, database: str, **variables: str) -> Any:
    """What ``onepush COMMAND --json`` answers. Raises DemoFailed with its own words."""
    done = subprocess.run(
        [*ONEPUSH, *command, "--json", "--database", database],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DemoFailed(done.stderr.strip().removeprefix("onepush: "))
    return json.loads(done.stdout)


def idle_plugins(database: str, bind: str) -> set[str]:
    """Names of the plugins that are installed and loaded, and that nobody has configured.

    ``bind``: where the demo's gateway is to listen; another one, elsewhere, has nothing to say.
    """
    found = ask("plugins", database=database, ONEPUSH_BIND=bind)
    return {one["name"] for one in found if one["state"] == "idle"}
