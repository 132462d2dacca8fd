"""Asking the ``onepush`` command, as a person would: its answers as JSON."""

from __future__ import annotations

import json
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


def ask(*command: str, database: str) -> Any:
    """What ``onepush COMMAND --json`` answers. Raises DemoFailed with its own words."""
    done = subprocess.run(
        [*ONEPUSH, *command, "--json", "--database", database], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DemoFailed(done.stderr.strip().removeprefix("onepush: "))
    return json.loads(done.stdout)


def idle_plugins(database: str) -> set[str]:
    """Names of the plugins that are installed and loaded, and that nobody has configured."""
    return {one["name"] for one in ask("plugins", database=database) if one["state"] == "idle"}
