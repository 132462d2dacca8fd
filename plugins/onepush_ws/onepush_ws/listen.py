"""``onepush listen``: a device on the command line. Prints the frames that arrive, and can confirm them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import NoReturn
from urllib.parse import quote, urlsplit

import click
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

CLOSED = 1
UNREACHABLE = 3
TIMED_OUT = 4


@click.command()
@click.option("--url", default="ws://127.0.0.1:8080", show_default=True, help="The gateway's address.")
@click.option("--device", required=True, help="The device id that register answered.")
@click.option("--confirm", is_flag=True, help="Confirm each message that asks for it.")
@click.option("--json", "as_json", is_flag=True, help="Print each frame as one line of JSON.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many frames.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="End after so many seconds.")
def listen(
    url: str, device: str, confirm: bool, as_json: bool, count: int | None, timeout: float | None
) -> None:
    """Connect as a device and print what arrives.

    Ends with 0 when --count frames came, 1 when the gateway closed the connection, 2 for wrong usage,
    3 when it cannot be reached, 4 when --timeout passed first.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        with connect(socket_address(url, device), open_timeout=timeout or 10, compression=None) as socket:
            click.echo("connected", err=True)
            for number, frame in enumerate(frames(socket, deadline), start=1):
                show(frame, as_json)
                if confirm:
                    confirm_frame(socket, frame)
                if number == count:
                    return
    except ConnectionClosed as closed:
        fail(describe_close(closed), CLOSED)
    except TimeoutError:
        fail("timed out", TIMED_OUT)
    except (OSError, InvalidHandshake) as error:
        fail(f"cannot connect: {error}", UNREACHABLE)


def socket_address(url: str, device: str) -> str:
    """The WebSocket address of a device; http(s) addresses will do. Raises click.BadParameter."""
    parts = urlsplit(url)
    scheme = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}.get(parts.scheme)
    if scheme is None or not parts.netloc:
        raise click.BadParameter("must be like ws://host:port", param_hint="--url")
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/msgpush.ws?deviceId={quote(device, safe='')}"


def frames(socket: ClientConnection, deadline: float | None) -> Iterator[str]:
    """Texts as they arrive. Raises TimeoutError at ``deadline`` (monotonic), ConnectionClosed at the end."""
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        frame = socket.recv(timeout=left)
        yield frame if isinstance(frame, str) else frame.decode(errors="replace")


def show(frame: str, as_json: bool) -> None:
    """Print a frame: as it came, or for people."""
    click.echo(frame if as_json else describe(frame))
    sys.stdout.flush()


def describe(frame: str) -> str:
    """One line for a person."""
    message = read_object(frame)
    if "id" not in message:
        return frame
    title = f"{message['title']}: " if message.get("title") else ""
    extra = f"  {json.dumps(message['extra'], ensure_ascii=False)}" if "extra" in message else ""
    wanted = "  [confirm wanted]" if message.get("needConfirm") else ""
    return f"{message['id']}  {message.get('pushMsgType')}  {title}{message.get('alert')}{extra}{wanted}"


def confirm_frame(socket: ClientConnection, frame: str) -> None:
    """Confirm a message that asks for it."""
    message = read_object(frame)
    if message.get("needConfirm") and isinstance(message.get("id"), str):
        socket.send(f"CFM:{message['id']}")


def read_object(frame: str) -> dict[str, object]:
    """The JSON object in a frame; empty for anything else."""
    try:
        value = json.loads(frame)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def describe_close(closed: ConnectionClosed) -> str:
    """Why the connection ended."""
    if closed.rcvd is None:
        return "connection lost"
    reason = f" {closed.rcvd.reason}" if closed.rcvd.reason else ""
    return f"closed by the gateway: {closed.rcvd.code}{reason}"


def fail(text: str, code: int) -> NoReturn:
    """End with a line on stderr."""
    click.echo(f"onepush listen: {text}", err=True)
    raise SystemExit(code)
