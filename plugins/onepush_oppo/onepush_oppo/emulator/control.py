"""``/_emulator/…``: what a test or a curious person asks of the emulator itself."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec

from onepush_oppo.emulator.phones import Phones
from onepush_oppo.emulator.state import Arrival, State, Trouble

PREFIX = "/_emulator/"


class Control:
    """Each method is a call: ``get_state`` is ``GET /_emulator/state``."""

    def __init__(self, state: State, phones: Phones) -> None:
        self._state = state
        self._phones = phones

    def answer(self, method: str, name: str, query: str, value: Any) -> Any:
        """The answer as plain data. Raises LookupError, TypeError, msgspec.ValidationError."""
        action = getattr(self, f"{method.lower()}_{name}", None)
        if action is None:
            raise LookupError(name)
        with self._state.lock:
            wanted = {key: values[0] for key, values in parse_qs(query).items()}
            answer = action(wanted if method == "GET" else value)
        return answer() if callable(answer) else answer

    def get_state(self, _: Any) -> Any:
        """Counts: accepted, shown, absorbed, tokens, and calls by path and code."""
        return dict(self._state.counts)

    def get_arrivals(self, wanted: dict[str, str]) -> Any:
        """What phones have, oldest first; ``?message=`` narrows to one app_message_id."""
        message = wanted.get("message")
        found = (one for (name, _), one in self._state.arrivals.items() if message in (None, name))
        return [msgspec.to_builtins(one) for one in found]

    def get_calls(self, _: Any) -> Any:
        """Every call, oldest first: path, code, items, at."""
        return list(self._state.calls)

    def get_posts(self, _: Any) -> Any:
        """Every post of receipts, oldest first: status, receipts, event."""
        return list(self._state.posts)

    def post_codes(self, value: dict[str, int | None]) -> Any:
        """``{target: code}``: answer this code for a target; null: no more."""
        for target, code in value.items():
            if code is None:
                self._state.codes.pop(target, None)
            else:
                self._state.codes[target] = int(code)
        return len(self._state.codes)

    def post_troubles(self, value: Any) -> Any:
        """A list of troubles for the calls to come; it replaces the one before."""
        self._state.troubles = msgspec.convert(value, list[Trouble])
        return len(self._state.troubles)

    def post_options(self, value: dict[str, Any]) -> Any:
        """Change options."""
        self._state.options.change(value)
        return msgspec.to_builtins(self._state.options)

    def post_revoke(self, _: Any) -> Any:
        """Every token is invalid from now on."""
        self._state.tokens.clear()
        return True

    def post_invalid(self, value: list[str]) -> Any:
        """The list of dead registration ids for the feedback call."""
        self._state.invalid = [str(one) for one in value]
        return len(self._state.invalid)

    def post_receipts(self, value: dict[str, Any]) -> Any:
        """``{event, targets, message}``: post receipts of what arrived; the HTTP statuses."""
        targets, message = value.get("targets"), value.get("message")
        chosen: list[Arrival] = [
            one
            for (name, target), one in self._state.arrivals.items()
            if (targets is None or target in targets) and message in (None, name)
        ]
        # Called without the lock: the sender may call us meanwhile.
        return lambda: self._phones.post(value.get("event", "push_arrive"), chosen)

    def post_reset(self, _: Any) -> Any:
        """Forget everything but the options."""
        self._state.reset()
        return True
