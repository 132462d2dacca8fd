"""Bark's HTTP API as plain data: what to ask, and what the answers mean. No I/O.

Sources: Finb/Bark, docs/en-us/tutorial.md (parameters) and docs/en-us/batch.md (``device_keys``);
Finb/bark-server, docs/API_V2.md, route_push.go (codes, answers), apns/apns.go (``push failed``) and
route_auth.go (418).

POST {url}/push with JSON. With ``device_keys`` the answer to a well-formed call is 200 and has ``data``, a
list of ``{"code", "device_key", "message"}``: 200 where Apple has accepted the notification, 400 for a key
that the server does not know, 500 where Apple has refused it. An error of the whole call has its code as
HTTP status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onepush_bark.options import Options
from onepush_core import HttpAnswer, Message, NoAnswer, Outcomes, Status

RETRY = 30.0
TARGETS = Mapping[str, Sequence[int]]
"""The device keys of onepush behind each Bark key; two devices may have told the same one."""
UNKNOWN_KEY = "failed to get device token"
DEAD = ("BadDeviceToken", "Unregistered", "DeviceTokenNotForTopic")
"""Apple's reasons for which a device's token is dead."""
FOR_GOOD = ("PayloadTooLarge", "PayloadEmpty", "BadCollapseId", "TopicDisallowed")
"""Apple's reasons that the same notification would meet again."""


def to_body(message: Message, options: Options, keys: Sequence[str]) -> dict[str, Any]:
    """What one call says. The message's id makes a repeat replace what the phone shows already."""
    body: dict[str, Any] = {"body": message.alert, "id": message.id, "device_keys": list(keys)}
    if message.title:
        body["title"] = message.title
    if message.sound:
        body["sound"] = message.sound
    if message.badge is not None:
        body["badge"] = message.badge
    return {**body, **options.to_fields()}


def read_answer(answer: HttpAnswer, targets: TARGETS) -> list[Outcomes]:
    """What an answer means for each device. Raises NoAnswer when it makes no sense."""
    if answer.status != 200:
        return [_failed(keys_of(targets), answer)]
    told = answer.json()
    items = told.get("data") if isinstance(told, dict) else None
    if not isinstance(items, list):
        raise NoAnswer("malformed answer")
    found = {
        item["device_key"]: item
        for item in items
        if isinstance(item, dict) and isinstance(item.get("device_key"), str)
    }
    return [_outcome(found.get(key), keys) for key, keys in targets.items()]


def no_answer(reason: str, targets: TARGETS) -> list[Outcomes]:
    """No answer came, or none that can be read: again a little later."""
    return [Outcomes(keys_of(targets), Status.FAILED, reason, retry_after=RETRY)]


def keys_of(targets: TARGETS) -> list[int]:
    """All devices behind these Bark keys."""
    return [key for keys in targets.values() for key in keys]


def _failed(devices: Sequence[int], answer: HttpAnswer) -> Outcomes:
    """The whole call was refused; 418 is what a Bark server says to wrong credentials."""
    reason = "credentials refused" if answer.status in (401, 418) else f"http {answer.status}"
    if answer.status < 500 and answer.status not in (408, 429):
        return Outcomes(devices, Status.FAILED, reason)
    return Outcomes(devices, Status.FAILED, reason, retry_after=max(RETRY, answer.retry_after or 0.0))


def _outcome(item: dict[str, Any] | None, devices: Sequence[int]) -> Outcomes:
    """What was said of one key; whoever was forgotten is asked for again."""
    code, text = (item.get("code"), str(item.get("message", ""))) if item else (None, "")
    if code == 200:
        return Outcomes(devices, Status.SENT)
    if text.startswith(UNKNOWN_KEY):
        return Outcomes(devices, Status.GONE, "unknown key")
    reason = next((one for one in (*DEAD, *FOR_GOOD) if one in text), None)
    if reason in DEAD:
        return Outcomes(devices, Status.GONE, reason)
    if reason in FOR_GOOD:
        return Outcomes(devices, Status.FAILED, reason)
    return Outcomes(devices, Status.FAILED, "push failed" if item else "no result", retry_after=RETRY)
