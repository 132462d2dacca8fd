"""Things that plugins with connections want to hear of. Called on the hub, in turn."""

from __future__ import annotations

from collections.abc import Callable

import structlog

log = structlog.get_logger("onepush.events")
NAMES = (
    "device_removed",
    "device_rebound",
    "device_moved",
    "device_coming",
    "device_stays",
    "app_disabled",
    "message_cancelled",
    "worker_paused",
)


class Events:
    """Who wants to hear of what.

    ``device_removed(device_key)``: unregistered. ``device_rebound(device_key)``: registered for
    another person; what was meant for the one before is cancelled. ``device_moved(device_key)``: connected
    to another worker. ``device_coming(device_key)``: about to connect once more, to this worker; as it may
    have been at another meanwhile, nothing more goes to its connection here. ``device_stays(device_key)``: it
    does not come after all; its connection here goes on from its backlog. ``app_disabled(app_key)``.
    ``message_cancelled(message_key)``. ``worker_paused(worker_key)``: this worker was silent for a while and
    may have missed any of these; what connections have in hand is not to be trusted, their backlogs are.
    """

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callable[[int], object]]] = {name: [] for name in NAMES}

    def on(self, event: str, callback: Callable[[int], object]) -> None:
        """Call back when this happens. Raises ValueError for an unknown event."""
        if event not in self._callbacks:
            raise ValueError(f"no event named {event!r}")
        self._callbacks[event].append(callback)

    def callbacks(self) -> list[tuple[str, Callable[[int], object]]]:
        """Who would be called, and for what."""
        return [(event, callback) for event, found in self._callbacks.items() for callback in found]

    def forget(self, event: str, callback: Callable[[int], object]) -> None:
        """Do not call back any more."""
        self._callbacks[event].remove(callback)

    def tell(self, event: str, key: int) -> None:
        """This has happened."""
        for callback in self._callbacks.get(event, ()):
            try:
                callback(key)
            except Exception as error:
                log.error("event_callback_raised", happened=event, error=type(error).__name__)
