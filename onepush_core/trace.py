"""``ONEPUSH_TRACE=1``: each hook call in order, with message, plugins, result and time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from onepush_core.objects import Message, Receipt


class HookTrace:
    """The two functions that pluggy calls around each hook call."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._began: list[float] = []

    def before(self, hook: str, implementations: Sequence[Any], arguments: Mapping[str, Any]) -> None:
        """Note when the call began."""
        self._began.append(time.perf_counter())

    def after(
        self, outcome: Any, hook: str, implementations: Sequence[Any], arguments: Mapping[str, Any]
    ) -> None:
        """Print one line."""
        took = (time.perf_counter() - self._began.pop()) * 1000
        names = ",".join(one.plugin_name for one in reversed(implementations))
        self._write(f"TRACE {_subject(arguments)} {hook} [{names}] -> {_result(outcome)} {took:.2f} ms\n")


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
    return "[" + ", ".join(_size(one) for one in result) + "]"


def _size(result: Any) -> str:
    return f"{len(result)} outcomes" if hasattr(result, "__len__") else type(result).__name__
