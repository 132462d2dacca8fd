"""What the demo does, from the first line that it prints to the last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import requests
from websockets.exceptions import WebSocketException

from onepush_demo import oppo, screen, sms, websocket
from onepush_demo.cli import DemoFailed, idle_plugins
from onepush_demo.client import Client, JourneyFailed
from onepush_demo.credentials import data_folder, find_or_create_app, key_file
from onepush_demo.server import await_ready, check_address, gateway_process
from onepush_demo.steps import Journey

FAILURES = (JourneyFailed, WebSocketException, requests.RequestException, OSError, ValueError, LookupError)


class Channels(NamedTuple):
    """What the demo adds to the gateway: channels that are installed and that nobody has configured."""

    phones: oppo.Emulator | None
    sms_file: Path | None

    def settings(self, url: str) -> dict[str, str]:
        """Variables for a gateway that listens there."""
        variables: dict[str, str] = {}
        if self.phones:
            variables |= oppo.settings(self.phones.url, url)
        if self.sms_file:
            variables |= sms.settings(self.sms_file)
        return variables

    def journeys(self, client: Client) -> Iterator[Journey]:
        """One for each channel."""
        yield websocket.journey(client)
        if self.phones:
            yield oppo.journey(client, self.phones)
        if self.sms_file:
            yield sms.journey(client, self.sms_file)


def run_demo(bind: str, database: str, once: bool, environ: Mapping[str, str]) -> None:
    """Start what is needed, play every journey, serve until the end. Raises DemoFailed."""
    check_address(bind)
    app = find_or_create_app(database)
    screen.show_app(app, key_file(database))
    url = f"http://{bind}"
    with ExitStack() as stack:
        channels = _open_channels(stack, bind, database, environ)
        variables = {**environ, **channels.settings(url)}
        process = stack.enter_context(gateway_process(bind, database, variables))
        session = stack.enter_context(requests.Session())
        session.trust_env = False
        await_ready(process, url, session)
        if app and not Client(url, app, session).is_welcome():
            screen.show_unknown_key(key_file(database))
            app = None
        if app:
            _play(channels.journeys(Client(url, app, session)))
        if once:
            return
        if app:
            screen.show_commands(app, key_file(database), url)
        screen.show_serving(url)
        if channels.phones:
            channels.phones.forward(screen.show_phone)
        if process.wait():
            raise DemoFailed("the gateway has ended")


def _open_channels(stack: ExitStack, bind: str, database: str, environ: Mapping[str, str]) -> Channels:
    idle = idle_plugins(database, bind)
    phones = stack.enter_context(oppo.emulator(environ)) if "oppo" in idle else None
    return Channels(phones, data_folder(database) / "sms.log" if "sms" in idle else None)


def _play(journeys: Iterable[Journey]) -> None:
    try:
        screen.show_journeys(journeys)
    except FAILURES as error:
        raise DemoFailed(f"the journey failed: {type(error).__name__}: {error}") from error
