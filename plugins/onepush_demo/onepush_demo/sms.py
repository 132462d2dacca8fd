"""The journey to a person whom nothing else reaches: an SMS, written to a file instead of being sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from onepush_demo.client import Client
from onepush_demo.steps import Journey, Step, Stopwatch

ALIAS = "demo-sms"
ALERT = "Nobody sees this on a screen"
TEXT = "Hello from onepush, by SMS"
NUMBER = "13711111111"
DELAY = 1  # seconds


def settings(file: Path) -> dict[str, str]:
    """Variables that make the gateway write SMS to a file."""
    return {"ONEPUSH_SMS_PROVIDER": "file", "ONEPUSH_SMS_FILE": f"{{path = {json.dumps(str(file))}}}"}


def journey(client: Client, file: Path) -> Journey:
    """Play it."""
    title = "To a person whom nothing else reaches, by SMS (here: into a file):"
    return Journey(title, _steps(client, file, Stopwatch()))


def _steps(client: Client, file: Path, watch: Stopwatch) -> Iterator[Step]:
    watch.reset()
    client.register(ALIAS, "ANDROID", "demo-sms-phone", mobile=NUMBER)
    yield watch.step(f"registered a phone of {ALIAS} with its number, offline")
    watch.reset()
    message = client.send(ALIAS, ALERT, smsMessage=TEXT, smsDelay=DELAY)
    yield watch.step(f"sent a message with smsMessage, smsDelay {DELAY}: stored, 200")
    client.await_count(message, 1, "handedOff")
    yield watch.step(f"SMS to {client.last_reason(message)}: a line in {file}")
