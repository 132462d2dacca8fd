"""Waiting for something to become true, never longer than a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 20.0
"""Seconds that a test waits for what must happen; only a failing test ever waits that long."""


def eventually(look: Callable[[], T], patience: float = PATIENCE, pause: float = 0.02) -> T:
    """Look until the answer is true; that answer. Raises AssertionError with the last one."""
    deadline = time.monotonic() + patience
    while True:
        answer = look()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still {answer!r} after {patience} s"
        time.sleep(pause)
