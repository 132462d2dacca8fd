"""How a command fails: one line on stderr and an exit code that scripts can rely on (docs/commands.md)."""

from __future__ import annotations

from typing import IO, Any

import click


class Failure(click.ClickException):
    """Refused, or not found. Ends the command with one line and exit code 1 (2 is click's: wrong usage)."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line."""
        click.echo(f"onepush: {self.message}", file=file, err=file is None)


class CannotReach(Failure):
    """Nobody listens at that address."""

    exit_code = 3


class TimedOut(Failure):
    """The time given is over."""

    exit_code = 4
