"""The names of everything this plugin has in Redis."""

from __future__ import annotations

LAYOUT = 1
"""To be raised when workers of two versions would not understand each other's entries or payloads."""


class Names:
    """Names under one prefix. The braces put all keys into one slot of a cluster.

    ``database``: channels are common to the databases of a server, so they carry its number.
    """

    def __init__(self, prefix: str, database: int) -> None:
        stem = f"{{{prefix}}}:{LAYOUT}"
        self.workers = f"{stem}:workers"
        self.devices = f"{stem}:devices"
        self.sweep = f"{stem}:sweep"
        self._channels = f"{stem}:{database}"

    def mail(self, worker: int) -> str:
        """The channel of payloads for a worker."""
        return f"{self._channels}:to:{worker}"

    def echo(self, worker: int) -> str:
        """The channel on which a worker hears itself."""
        return f"{self._channels}:echo:{worker}"
