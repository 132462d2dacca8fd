"""The plugin object: onepush's hooks, and the one place that does I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from onepush_bark.options import Options, UnfitOption, merge, read_options
from onepush_bark.protocol import TARGETS, no_answer, read_answer, to_body
from onepush_bark.settings import Settings
from onepush_core import (
    App,
    Device,
    Devices,
    Draft,
    HttpClient,
    InvalidField,
    Message,
    NoAnswer,
    Outcomes,
    hookimpl,
)

NAME, VENDOR = "bark", "BARK"


class BarkPlugin:
    """A transport. ``idle_reason``: why it takes no part, None when it does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = f"{(settings.url or '').rstrip('/')}/push"
        self._auth = (settings.user, settings.password) if settings.user else None
        self._http = HttpClient(settings.timeout)
        self.idle_reason = None if settings.url else "no url in [bark]"

    @hookimpl
    def check_send(self, app: App, draft: Draft) -> None:
        """Refuse options that Bark does not have. Raises InvalidField."""
        try:
            self._options(draft)
        except UnfitOption as error:
            path = "options.bark" if error.field == NAME else f"options.bark.{error.field}"
            raise InvalidField(path, error.problem) from None

    def takes(self, message: Message, device: Device) -> bool:
        """Bark's devices, and messages for people."""
        return device.vendor == VENDOR and message.type == "MSG"

    @hookimpl
    def deliver(self, message: Message, devices: Devices) -> Iterator[Outcomes]:
        """Hand Bark's devices to the Bark server, so many at a time as it takes."""
        options = self._options(message)
        targets: dict[str, list[int]] = {}
        for device in devices:
            if self.takes(message, device):
                targets.setdefault(device.token, []).append(device.key)
        for part in parts_of(targets, self._settings.batch):
            yield from self._send(message, options, part)

    @hookimpl
    def shutdown(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def _options(self, draft: Draft) -> Options:
        chosen = draft.options.get(NAME)
        defaults = self._settings.defaults
        return defaults if chosen is None else merge(defaults, read_options(chosen))

    def _send(self, message: Message, options: Options, targets: TARGETS) -> Sequence[Outcomes]:
        body = to_body(message, options, list(targets))
        try:
            return read_answer(self._http.call("POST", self._url, json=body, auth=self._auth), targets)
        except NoAnswer as error:
            return no_answer(error.reason, targets)


def parts_of(targets: Mapping[str, list[int]], size: int) -> Iterator[TARGETS]:
    """The targets in parts of at most ``size`` keys."""
    items = iter(targets.items())
    while part := dict(islice(items, size)):
        yield part
