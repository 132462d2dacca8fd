"""Asking the ``onepush`` command, as a person would: its answers as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import click

ONEPUSH = (sys.executable, "-m", "onepush_core")


def ask(*command: str, database: str) -> Any:
    """What ``onepush COMMAND --json`` answers. Raises click.ClickException with its own words."""
    done = subprocess.run(
        [*ONEPUSH, *command, "--json", "--database", database], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise click.ClickException(done.stderr.strip().removeprefix("onepush: "))
    return json.loads(done.stdout)


def idle_plugins(database: str) -> set[str]:
    """Names of the plugins that are installed and loaded, and that nobody has configured."""
    return {one["name"] for one in ask("plugins", database=database) if one["state"] == "idle"}
