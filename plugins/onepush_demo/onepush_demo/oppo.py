"""The journey to a phone whose app is asleep, with the OPPO plugin's emulator in the place of OPPO."""

from __future__ import annotations

import queue
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from onepush_demo.children import child
from onepush_demo.cli import DemoFailed
from onepush_demo.client import PATIENCE, Client, JourneyFailed
from onepush_demo.steps import Journey, Step, Stopwatch

ALIAS = "demo-oppo"
ALERT = "Good morning from onepush"
TOKEN = "OPPO_CN_" + "0123456789abcdef" * 2
KEY, SECRET = "demo-key", "demo-secret"
COMMAND = (sys.executable, "-m", "onepush_oppo.emulator", "--app", f"{KEY}:{SECRET}")
OPTIONS = ("--arrive-after", "0.3", "--show")
FIRST_LINE = "OPPO emulator on "


class Emulator:
    """A running emulator: where it listens, and what its phones show."""

    def __init__(self, output: IO[bytes]) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        # Somebody must read, or the emulator stands still when the pipe is full.
        threading.Thread(target=self._read, args=(output,), daemon=True).start()
        first = self.next_line()
        if not first.startswith(FIRST_LINE):
            raise DemoFailed("the OPPO emulator does not start")
        self.url = first.removeprefix(FIRST_LINE)

    def next_line(self) -> str:
        """The next line that it prints; empty at its end. Raises JourneyFailed when there is none."""
        try:
            return self._lines.get(timeout=PATIENCE)
        except queue.Empty:
            raise JourneyFailed("the OPPO phone shows nothing") from None

    def forward(self, show: Callable[[str], None]) -> None:
        """From now on, show every line when it comes."""
        threading.Thread(target=self._forward, args=(show,), daemon=True).start()

    def _forward(self, show: Callable[[str], None]) -> None:
        for line in iter(self._lines.get, ""):
            show(line)

    def _read(self, output: IO[bytes]) -> None:
        for line in output:
            self._lines.put(line.decode("utf-8", "replace").rstrip("\n"))
        self._lines.put("")


@contextmanager
def emulator(environ: Mapping[str, str]) -> Iterator[Emulator]:
    """An emulator, for the time of a ``with`` block."""
    with child([*COMMAND, *OPTIONS], environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield Emulator(process.stdout)


def settings(emulator_url: str, gateway_url: str) -> dict[str, str]:
    """Variables that make a gateway take the emulator for OPPO."""
    return {
        "ONEPUSH_OPPO_APP_KEY": KEY,
        "ONEPUSH_OPPO_MASTER_SECRET": SECRET,
        "ONEPUSH_OPPO_BASE_URL": emulator_url,
        "ONEPUSH_OPPO_PUBLIC_URL": gateway_url,
        # With a word in front, for a variable that reads like a number would be one.
        "ONEPUSH_OPPO_RECEIPT_SECRET": f"demo-{secrets.token_urlsafe(24)}",
    }


def journey(client: Client, phones: Emulator) -> Journey:
    """Play it."""
    title = "To a phone whose app is asleep, through OPPO (here: an emulator of it):"
    return Journey(title, _steps(client, phones, Stopwatch()))


def _steps(client: Client, phones: Emulator, watch: Stopwatch) -> Iterator[Step]:
    watch.reset()
    client.register(ALIAS, "ANDROID", TOKEN, vendor="OPPO")
    yield watch.step(f"registered an OPPO phone of {ALIAS}; it opens no socket")
    watch.reset()
    message = client.send(ALIAS, ALERT)
    yield watch.step("sent a message: stored, 200")
    shown = phones.next_line()
    while ALERT not in shown:
        shown = phones.next_line()
    yield watch.step(shown)
    client.await_count(message, 1, "handedOff", "confirmed")
    yield watch.step("status: handed off to OPPO")
    client.await_count(message, 1, "confirmed")
    yield watch.step("OPPO's receipt came; status: confirmed")
