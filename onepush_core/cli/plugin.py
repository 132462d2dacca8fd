"""``onepush plugin``: for those who write plugins."""

from __future__ import annotations

from pathlib import Path

import click

from onepush_core.cli.failures import Failure


@click.group(short_help="Write a plugin.")
def plugin() -> None:
    """Write a plugin of your own; ``onepush plugins`` lists those that are installed."""


@plugin.command()
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="where to write it; a new folder, onepush_NAME if left out",
)
def new(name: str, folder: Path | None) -> None:
    """Write a new transport: a distribution that installs, passes its tests and delivers to a toy vendor.

    NAME: lower-case letters, digits and hyphens, such as "pager".
    """
    from onepush_core.cli.scaffold import BadName, names_of, write_distribution

    try:
        names = names_of(name)
    except BadName as error:
        raise click.BadParameter(str(error), param_hint="NAME") from None
    target = folder or Path(names.package)
    try:
        target.mkdir(parents=True)
    except FileExistsError:
        raise Failure(f"{target} exists already; name another folder with --folder") from None
    except OSError as error:
        raise Failure(f"{target} cannot be made: {error.strerror}") from error
    written = write_distribution(names, target)
    click.echo(f"wrote {len(written)} files into {target}. Next:\n")
    click.echo(f"  cd {target}")
    click.echo("  pip install -e '.[dev]'")
    click.echo("  pytest")
    click.echo("\nREADME.md there says how to try it with its toy vendor.")
