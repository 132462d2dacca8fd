"""Messages and devices as hooks get them, for tests that need no gateway."""

from __future__ import annotations

from typing import Any

from onepush_core.objects import App, Device, Message
from onepush_core.testing.manual_clock import START

APP = App(1, "app", "Home")


def make_message(**fields: Any) -> Message:
    """A message that lives an hour from where a ``ManualClock`` begins, unless ``fields`` say else."""
    told = {"alert": "hello", "duration": 3600, "accepted_at": START, "app": APP, "key": 1, **fields}
    told.setdefault("id", f"{told['key']:026}")
    told.setdefault("expires_at", told["accepted_at"] + told["duration"] * 1000)
    return Message(**told)


def make_device(key: int = 1, **fields: Any) -> Device:
    """An Android device; its id, alias and token end in its key unless ``fields`` say else."""
    told = {"app": APP.key, "id": f"device-{key}", "alias": f"person-{key}", "platform": "ANDROID"}
    return Device(key=key, **{**told, "token": f"token-{key}", **fields})
