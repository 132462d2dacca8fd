"""Transports for tests, which remember what they were asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from onepush_core.hookspecs import hookimpl
from onepush_core.objects import Device, Devices, Message, Outcome, Status


class RecordingTransport:
    """A transport beside the lane, as a vendor's is.

    ``status``, ``retry_after``, ``again``: what it answers. ``wanted``: whom it takes (None: everybody).
    ``calls``: the message's id and the keys offered, call by call; ``messages``: the messages.
    """

    def __init__(
        self,
        status: Status = Status.SENT,
        *,
        wanted: Callable[[Device], bool] | None = None,
        retry_after: float | None = None,
        again: bool = False,
    ) -> None:
        self.status = status
        self.wanted = wanted
        self.retry_after = retry_after
        self.again = again
        self.calls: list[tuple[str, list[int]]] = []
        self.messages: list[Message] = []

    @hookimpl
    def deliver(self, message: Message, devices: Devices) -> Iterable[Outcome]:
        """Note the call, and answer for those that it takes."""
        return self._answer(message, devices)

    def _answer(self, message: Message, devices: Devices) -> Iterable[Outcome]:
        self.messages.append(message)
        self.calls.append((message.id, list(devices.keys)))
        return [
            Outcome(device.key, self.status, retry_after=self.retry_after, again=self.again)
            for device in devices
            if self.wanted is None or self.wanted(device)
        ]

    @property
    def reached(self) -> list[int]:
        """Keys of the devices offered, in order."""
        return [key for _, keys in self.calls for key in keys]


class RecordingSockets(RecordingTransport):
    """A transport of the lane, as one with open connections is.

    ``connected``: keys of the devices it takes (None: everybody). ``status``: what it answers; None: what a
    complete write means, DELIVERED, or SENT with ``again`` when a confirm is wanted.
    """

    def __init__(
        self, status: Status | None = None, *, connected: set[int] | None = None, again: bool = False
    ) -> None:
        super().__init__(status or Status.DELIVERED, wanted=self._is_connected, again=again)
        self.connected = connected
        self._as_written = status is None

    def _is_connected(self, device: Device) -> bool:
        return self.connected is None or device.key in self.connected

    @hookimpl(tryfirst=True)
    def deliver(self, message: Message, devices: Devices) -> Iterable[Outcome]:
        """Note the call, and answer for those that are connected."""
        if self._as_written:
            self.status = Status.SENT if message.need_confirm else Status.DELIVERED
            self.again = message.need_confirm
        return self._answer(message, devices)
