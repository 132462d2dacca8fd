"""Plain data for the tests without I/O."""

from __future__ import annotations

from onepush_core import App, Message

NOW = 1_800_000_000_000
APP = App(1, "app", "Home")


def make_message(alert="hello", **fields):
    """A message accepted just now that lives an hour."""
    fields = {"duration": 3600, "accepted_at": NOW, "expires_at": NOW + 3_600_000, **fields}
    return Message(key=1, id="0123456789abcdefghjkmnpqrs", app=APP, alert=alert, **fields)


class FakeClock:
    """A clock that stands until it is moved."""

    def __init__(self, now=NOW):
        self.milliseconds = now

    def now(self):
        return self.milliseconds

    def monotonic(self):
        return self.milliseconds / 1000

    def move(self, seconds):
        self.milliseconds += round(seconds * 1000)
