"""The plugin object: onepush's hooks, and the one place that does I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from onepush_core import Device, Devices, HttpClient, Message, NoAnswer, Outcomes, hookimpl
from onepush_pigeon.protocol import LIMIT, TARGETS, no_answer, read_answer, to_body
from onepush_pigeon.settings import Settings

VENDOR = "PIGEON"
"""What devices say in ``vendor`` at /msgpush/register, with their address there in ``nativeToken``."""


class PigeonPlugin:
    """A transport. ``idle_reason``: why it takes no part, None when it does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._http = HttpClient(settings.timeout, headers={"X-Key": settings.key})
        self.idle_reason = None if settings.url else "no url in [pigeon]"

    def takes(self, message: Message, device: Device) -> bool:
        """Pigeon's devices, and messages for people."""
        return device.vendor == VENDOR and message.type == "MSG"

    @hookimpl
    def deliver(self, message: Message, devices: Devices) -> Iterator[Outcomes]:
        """Hand Pigeon's devices to Pigeon, so many at a time as it takes."""
        targets: dict[str, list[int]] = {}
        for device in devices:
            if self.takes(message, device):
                targets.setdefault(device.token, []).append(device.key)
        for part in parts_of(targets, LIMIT):
            yield from self._send(message, part)

    @hookimpl
    def shutdown(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def _send(self, message: Message, targets: TARGETS) -> Sequence[Outcomes]:
        body = to_body(message, list(targets))
        try:
            return read_answer(self._http.call("POST", f"{self._settings.url}/send", json=body), targets)
        except NoAnswer as error:
            return no_answer(error.reason, targets)


def parts_of(targets: Mapping[str, list[int]], size: int) -> Iterator[TARGETS]:
    """The targets in parts of at most ``size`` addresses."""
    items = iter(targets.items())
    while part := dict(islice(items, size)):
        yield part
