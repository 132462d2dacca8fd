"""The words of this plugin as data: an SMS, what a provider answered, what a delivery report says."""

from __future__ import annotations

import enum
import re
from typing import Any, NamedTuple, Protocol

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_LONG_NUMBER = re.compile(r"\d{7,}")


class Verdict(enum.StrEnum):
    """What an answer of a provider means.

    ACCEPTED: it took the SMS. LATER: its rate is exceeded, nothing was sent. UNREACHABLE: the
    request never left. AMBIGUOUS: it may have sent the SMS. REFUSED: it will never send this.
    BAD_NUMBER: nor anything to this number. NUMBER_LIMIT: this number had enough for now.
    ACCOUNT: nothing goes until a person puts the account in order.
    """

    ACCEPTED = "accepted"
    LATER = "later"
    UNREACHABLE = "unreachable"
    AMBIGUOUS = "ambiguous"
    REFUSED = "refused"
    BAD_NUMBER = "bad number"
    NUMBER_LIMIT = "number limit"
    ACCOUNT = "account"


class Answer(NamedTuple):
    """A provider's answer to one SMS.

    ``reason``: for the trail, without personal data. ``reference``: the provider's own id of the SMS.
    ``retry_after``: seconds, where the provider says.
    """

    verdict: Verdict
    reason: str = ""
    reference: str | None = None
    retry_after: float | None = None


class Sms(NamedTuple):
    """One SMS to one number. ``key``: its key in the table ``sms``; ``number``: E.164."""

    key: int
    app: str
    number: str
    text: str
    extra: Any = None


class Report(NamedTuple):
    """A delivery report: what became of an SMS that a provider had accepted.

    It is found by ``key`` (ours) or by ``reference`` (the provider's).
    """

    delivered: bool
    code: str
    reference: str
    key: int | None = None


class Provider(Protocol):
    """Sends one SMS at a time; called by several greenlets at once."""

    name: str
    extra_keys: frozenset[str]

    def prepare(self) -> None:
        """Import and build what takes time, once, before the first ``send``."""

    def count_segments(self, text: str) -> int:
        """How many SMS the provider will charge for this text."""

    def send(self, sms: Sms) -> Answer:
        """Make the call. May raise: that counts as ambiguous."""


def safe_code(code: object) -> str:
    """A provider's error code as it may stand in a log or trail: nothing that could be a number."""
    return _LONG_NUMBER.sub("…", _UNSAFE.sub("", str(code))[:64]) or "unknown"
