"""``ONEPUSH_TRACE=1``: each hook call in order, with message, plugins, result and time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from onepush_core.objects import Message, Outcomes, Receipt


class HookTrace:
    """The two functions that pluggy calls around each hook call."""

    def __init__(self) -> None:
        self.active = False
        self._write: Callable[[str], object] = lambda line: None
        self._began: list[float] = []

    def start(self, write: Callable[[str], object]) -> None:
        """Trace from now on."""
        self.active = True
        self._write = write

    def before(self, hook: str, implementations: Sequence[Any], arguments: Mapping[str, Any]) -> None:
        """Note when the call began."""
        self._began.append(time.perf_counter())

    def after(
        self, outcome: Any, hook: str, implementations: Sequence[Any], arguments: Mapping[str, Any]
    ) -> None:
        """Print one line; ``deliver`` has its own, since a generator does its work after the call."""
        took = (time.perf_counter() - self._began.pop()) * 1000
        if hook == "deliver":
            return
        names = ",".join(one.plugin_name for one in reversed(implementations))
        self._write(f"TRACE {_subject(arguments)} {hook} [{names}] -> {_result(outcome)} {took:.2f} ms\n")

    def delivered(self, message: str, plugin: str, outcomes: Sequence[Outcomes], seconds: float) -> None:
        """Print what a transport has answered, when all of it was taken."""
        told = ", ".join(f"{len(one.devices)} {one.status}" for one in outcomes) or "nobody of mine"
        self._write(f"TRACE {message} deliver [{plugin}] -> [{told}] {seconds * 1000:.2f} ms\n")


def _subject(arguments: Mapping[str, Any]) -> str:
    message = arguments.get("message")
    if isinstance(message, Message):
        return message.id
    receipt = arguments.get("receipt")
    return receipt.message if isinstance(receipt, Receipt) else "-"


def _result(outcome: Any) -> str:
    """The kind of result only: contents and secrets stay out of the trace."""
    if outcome.exception is not None:
        return f"raised {type(outcome.exception).__name__}"
    result = outcome.get_result()
    if not isinstance(result, list):
        return "None" if result is None else type(result).__name__
    return "[" + ", ".join(type(one).__name__ for one in result) + "]"
