"""The vendor's API as plain data."""

from __future__ import annotations

import pytest

from onepush_core import HttpAnswer, NoAnswer, Outcomes, Status
from onepush_core.testing import make_message
from onepush_pigeon.protocol import RETRY, read_answer, to_body

TARGETS = {"here": [1, 2], "dead": [3], "silent": [4]}


def answered(status: int, text: str, **headers: str) -> list[Outcomes]:
    """What such an answer means for TARGETS."""
    return read_answer(HttpAnswer(status, headers, text.encode()), TARGETS)


def test_body_names_addresses_and_text() -> None:
    """Title and alert in one line."""
    message = make_message(alert="hello", title="News")
    assert to_body(message, ["here", "dead"]) == {"addresses": ["here", "dead"], "text": "News: hello"}


def test_answer_speaks_of_every_device() -> None:
    """Taken, unknown, and those of which it says nothing."""
    outcomes = answered(200, '{"results": {"here": "taken", "dead": "unknown", "stranger": "taken"}}')
    assert [(one.devices, one.status, one.retry_after) for one in outcomes] == [
        ([1, 2], Status.SENT, None),
        ([3], Status.GONE, None),
        ([4], Status.FAILED, RETRY),
    ]


@pytest.mark.parametrize(("status", "wait"), [(503, RETRY), (403, None)])
def test_status_decides_on_another_attempt(status: int, wait: float | None) -> None:
    """A server in trouble may recover; a refusal stays one."""
    assert answered(status, "") == [Outcomes([1, 2, 3, 4], Status.FAILED, f"http {status}", wait)]


@pytest.mark.parametrize("text", ["", "<html>", "[]", '{"results": 1}'])
def test_answer_without_sense_is_none(text: str) -> None:
    """Whatever is not the agreed JSON."""
    with pytest.raises(NoAnswer):
        answered(200, text)
