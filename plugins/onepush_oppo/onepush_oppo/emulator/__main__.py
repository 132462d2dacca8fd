"""``onepush-oppo-emulator``: the emulator as a program of its own."""

from __future__ import annotations

import contextlib
import sys

import click

from onepush_oppo.emulator.options import EmulatorOptions
from onepush_oppo.emulator.server import Emulator
from onepush_oppo.emulator.state import Trouble


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--host", default="127.0.0.1", help="address to listen on")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="port to listen on; 0: any free one")
@click.option(
    "--app", "apps", multiple=True, metavar="KEY:SECRET", help="credentials that are valid (repeatable)"
)
@click.option(
    "--code", "codes", multiple=True, metavar="TARGET=CODE", help="answer a code for a target (repeatable)"
)
@click.option(
    "--trouble", "troubles", multiple=True, metavar="KIND[:TIMES]", help="what goes wrong (repeatable)"
)
@click.option("--latency", default=0.0, help="seconds that a call takes")
@click.option("--token-life", default=86_400.0, help="seconds that a token lives")
@click.option("--content-limit", default=50, help="characters of a style-1 notification")
@click.option("--arrive-after", type=float, help="post push_arrive receipts after so many seconds")
@click.option("--daily-quota", default=0, help="messages a day for an app")
@click.option("--device-quota", default=0, help="messages a day for a device")
@click.option("--rate", default=0, help="targets a second for an app")
@click.option("--body-token-only", is_flag=True, help="refuse an auth_token in a header")
@click.option("--show", is_flag=True, help="print what phones show")
def main(
    host: str,
    port: int,
    apps: tuple[str, ...],
    codes: tuple[str, ...],
    troubles: tuple[str, ...],
    **options: object,
) -> None:
    """An OPPO PUSH server to test against. Its first line of output is its address.

    Kinds of trouble: an HTTP status, hang, trickle, drop, empty, text, redirect, revoke, torn, lost.
    """
    if apps:
        options["credentials"] = dict(_pair(app, ":") for app in apps)
    ordered = {target: _number(code) for target, code in (_pair(one, "=") for one in codes)}
    expected = [_trouble(one) for one in troubles]
    try:
        emulator = Emulator(EmulatorOptions(**options), host, port)  # type: ignore[arg-type]
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from None
    emulator.state.codes, emulator.state.troubles = ordered, expected
    print(f"OPPO emulator on {emulator.url}", flush=True)  # noqa: T201
    with contextlib.suppress(KeyboardInterrupt):
        emulator.run()


def _pair(text: str, separator: str) -> tuple[str, str]:
    left, found, right = text.rpartition(separator)
    if not found or not left or not right:
        raise click.BadParameter(f"expected two parts around {separator!r}")
    return left, right


def _trouble(text: str) -> Trouble:
    kind, _, times = text.partition(":")
    try:
        return Trouble(kind=kind, times=_number(times or "1"))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(f"not a number: {text}") from None


if __name__ == "__main__":
    sys.exit(main())
