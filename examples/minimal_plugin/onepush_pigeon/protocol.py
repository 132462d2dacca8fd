"""The vendor's API as plain data: what to ask, and what the answers mean. No I/O.

POST {url}/send, header X-Key, body {"addresses": [at most 100], "text": "…"}. The answer is
{"results": {address: "taken" | "unknown"}}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onepush_core import HttpAnswer, Message, NoAnswer, Outcomes, Status

LIMIT = 100
RETRY = 30.0
TARGETS = Mapping[str, Sequence[int]]
"""The device keys behind each address; two devices may have told the same one."""


def to_body(message: Message, addresses: Sequence[str]) -> dict[str, Any]:
    """What one call says."""
    title = f"{message.title}: " if message.title else ""
    return {"addresses": list(addresses), "text": f"{title}{message.alert}"}


def read_answer(answer: HttpAnswer, targets: TARGETS) -> list[Outcomes]:
    """What an answer means for each device. Raises NoAnswer when it makes no sense."""
    if answer.status in (429, 500, 502, 503, 504):
        wait = max(RETRY, answer.retry_after or 0.0)
        return [Outcomes(keys_of(targets), Status.FAILED, f"http {answer.status}", retry_after=wait)]
    if answer.status != 200:
        return [Outcomes(keys_of(targets), Status.FAILED, f"http {answer.status}")]
    told = answer.json()
    results = told.get("results") if isinstance(told, dict) else None
    if not isinstance(results, dict):
        raise NoAnswer("malformed answer")
    return [_outcome(results.get(address), keys) for address, keys in targets.items()]


def no_answer(reason: str, targets: TARGETS) -> list[Outcomes]:
    """No answer came, or none that can be read: again a little later."""
    return [Outcomes(keys_of(targets), Status.FAILED, reason, retry_after=RETRY)]


def keys_of(targets: TARGETS) -> list[int]:
    """All devices behind these addresses."""
    return [key for keys in targets.values() for key in keys]


def _outcome(result: Any, keys: Sequence[int]) -> Outcomes:
    if result == "taken":
        return Outcomes(keys, Status.SENT)
    if result == "unknown":
        return Outcomes(keys, Status.GONE, "unknown address")
    return Outcomes(keys, Status.FAILED, "no result for this device", retry_after=RETRY)
