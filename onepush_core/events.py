"""Things that plugins with connections want to hear of. Called on the hub, in turn."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from onepush_core.errors import ConfigurationError

log = structlog.get_logger("onepush.events")
NAMES = ("device_removed", "device_rebound", "app_disabled")


class Events:
    """Who wants to hear of what.

    ``device_removed(device_key)``: unregistered. ``device_rebound(device_key)``: registered for
    another person; what was meant for the one before is cancelled. ``app_disabled(app_key)``.
    """

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callable[[int], object]]] = {name: [] for name in NAMES}

    def on(self, event: str, callback: Callable[[int], object]) -> None:
        """Call back when this happens. Raises ConfigurationError for an unknown event."""
        if event not in self._callbacks:
            raise ConfigurationError(f"no event named {event!r}")
        self._callbacks[event].append(callback)

    def tell(self, event: str, key: int) -> None:
        """This has happened."""
        for callback in self._callbacks[event]:
            try:
                callback(key)
            except Exception as error:
                log.error("event_callback_raised", happened=event, error=type(error).__name__)
