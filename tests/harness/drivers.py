"""Drivers: threads that send, and threads that are devices. They write down what they see for the auditor."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Sequence
from typing import Any

import requests
from websockets.exceptions import InvalidHandshake

from harness.app import AppClient
from harness.auditor import Delivery, Frame, History, Send, Totals
from harness.connection import Closed, Connection
from harness.waiting import eventually

PAUSE = 0.02
BROKEN = (OSError, EOFError, InvalidHandshake, requests.RequestException)


class Driver:
    """A thread that works until it is stopped."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Do nothing new; does not wait."""
        self._stop.set()

    def stop(self) -> None:
        """End, and wait for the end."""
        self.end()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.step()

    def step(self) -> None:
        """A piece of work that takes well under a second."""
        raise NotImplementedError


class Sender(Driver):
    """Sends to one alias, one message after the other, with and without needConfirm.

    ``devices``: the alias's. ``insists``: it sends again with the same Idempotency-Key until it is answered.
    """

    def __init__(self, app: AppClient, name: str, alias: str, devices: list[str], insists: bool) -> None:
        super().__init__()
        self.sends: list[Send] = []
        self._app = app
        self._name = name
        self._alias = alias
        self._devices = frozenset(devices)
        self._insists = insists
        self._numbers = itertools.count()

    def step(self) -> None:
        """Send one message."""
        number = next(self._numbers)
        key = f"{self._name}-{number}"
        began = time.monotonic()
        answer = self._try(key, number)
        while answer is None and self._insists:
            time.sleep(PAUSE)
            answer = self._try(key, number)
        request_id = answer.json()["requestId"] if answer is not None and answer.ok else None
        refused = answer is not None and 400 <= answer.status_code < 500
        ended = time.monotonic()
        self.sends.append(Send(key, self._app.id, self._devices, began, ended, request_id, refused))
        time.sleep(PAUSE)

    def _try(self, key: str, number: int) -> requests.Response | None:
        """One request; None: whether it was stored is not known."""
        headers = {"Idempotency-Key": key} if self._insists else None
        try:
            answer = self._app.try_send(self._alias, headers=headers, extra=key, needConfirm=number % 2 == 0)
        except requests.RequestException:
            return None
        return answer if answer.status_code < 500 and answer.status_code != 409 else None


class Listener(Driver):
    """A device that keeps connecting, takes down what it gets, and confirms it.

    ``stays``: how many frames it takes before it hangs up and comes back; None: it stays.
    """

    def __init__(self, app: AppClient, device: str, stays: int | None = None) -> None:
        super().__init__()
        self.device = device
        self.frames: list[Frame] = []
        self._app = app
        self._stays = stays
        self._connection: Connection | None = None
        self._opened = 0.0
        self._left = 0

    def step(self) -> None:
        """Connect, or take one frame."""
        try:
            self._connect() if self._connection is None else self._take(self._connection)
        except TimeoutError:
            return
        except (*BROKEN, Closed):
            self._take_rest()
            self._hang_up()
            time.sleep(PAUSE)

    def _take_rest(self) -> None:
        """What came with the goodbye, behind a frame that could not be confirmed any more."""
        if self._connection is not None:
            for frame in self._connection.kept():
                self._note(frame)

    def _connect(self) -> None:
        self._opened = time.monotonic()
        self._connection = Connection(self._app.url, self.device)
        self._left = self._stays or 0

    def _take(self, connection: Connection) -> None:
        frame = connection.frame(0.2)
        self._note(frame)
        if frame["needConfirm"]:
            connection.confirm(frame["id"])
        self._left -= 1
        if self._left == 0:
            self._leave(connection)

    def _leave(self, connection: Connection) -> None:
        """Hang up, and take down what had been sent by then."""
        try:
            connection.leave()
        finally:
            for frame in connection.kept():
                self._note(frame)
            self._hang_up()

    def _note(self, frame: dict[str, Any]) -> None:
        body, now = json.dumps(frame, sort_keys=True), time.monotonic()
        self.frames.append(
            Frame(self.device, frame["id"], frame["appId"], frame["extra"], body, now, self._opened)
        )

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def stop(self) -> None:
        """End, and hang up."""
        super().stop()
        if self._connection is not None:
            self._leave(self._connection)


def stop_all(drivers: Sequence[Driver]) -> None:
    """End them together."""
    for driver in drivers:
        driver.end()
    for driver in drivers:
        driver.stop()


def await_end(app: AppClient, senders: list[Sender], patience: float) -> None:
    """Wait until nothing of what was acknowledged is pending any more."""
    waiting = [send.request_id for sender in senders for send in sender.sends if send.request_id]

    def look() -> bool:
        while waiting and app.status(waiting[-1])["state"] == "finished":
            waiting.pop()
        return not waiting

    eventually(look, patience, pause=0.1)


def collect(app: AppClient, senders: list[Sender], listeners: list[Listener], *, faulted: bool) -> History:
    """Everything the drivers saw, and what the gateway's ledger says of it."""
    sends = [send for sender in senders for send in sender.sends]
    frames = [frame for listener in listeners for frame in listener.frames]
    history = History({one.device: app.id for one in listeners}, sends, frames, [], [], [], faulted)
    for request_id in {send.request_id for send in sends if send.request_id}:
        status = app.status(request_id)
        history.totals.append(Totals(request_id, status["total"], status["counts"]))
        rows = app.deliveries(request_id)
        history.deliveries.extend(Delivery(request_id, row["deviceId"], row["state"]) for row in rows)
    return history
