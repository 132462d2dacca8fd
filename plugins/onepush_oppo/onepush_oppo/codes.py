"""OPPO's return codes and what each makes the gateway do: the only table of them. Pure.

Source: OPPO's page on addresses and return codes (document 11235), its unicast page (11238) for
10000; 54 has been seen on the wire. ``docs/oppo.md`` explains the same table, and a test compares them.
"""

from __future__ import annotations

import enum
import re
from typing import NamedTuple


class Action(enum.Enum):
    """What a return code makes the gateway do."""

    ACCEPTED = "accepted"
    RETRY = "retry with backoff"
    RENEW = "new token, once; then retry with backoff"
    CLOCK = "fresh timestamp, once; then retry with backoff, and name the clock"
    GONE = "forget the token"
    TODAY = "pause these credentials until midnight UTC+8"
    CONFIGURATION = "give up on this message, and log an error once"
    PERMANENT = "give up on this message, keep the token"


class Rule(NamedTuple):
    """``reason``: what the trail says."""

    action: Action
    reason: str


RULES: dict[int, Rule] = {
    -2: Rule(Action.RETRY, "flow control"),
    -1: Rule(Action.RETRY, "service unavailable"),
    0: Rule(Action.ACCEPTED, "accepted"),
    11: Rule(Action.RENEW, "invalid auth token"),
    12: Rule(Action.PERMANENT, "http method not allowed"),
    13: Rule(Action.RETRY, "call limit"),
    14: Rule(Action.CONFIGURATION, "invalid app key"),
    15: Rule(Action.CONFIGURATION, "missing app key"),
    16: Rule(Action.CONFIGURATION, "invalid signature"),
    17: Rule(Action.CONFIGURATION, "missing signature"),
    18: Rule(Action.PERMANENT, "missing timestamp"),
    19: Rule(Action.CLOCK, "invalid timestamp"),
    20: Rule(Action.PERMANENT, "invalid method"),
    21: Rule(Action.PERMANENT, "missing method"),
    22: Rule(Action.PERMANENT, "missing version"),
    23: Rule(Action.PERMANENT, "invalid version"),
    24: Rule(Action.PERMANENT, "unsupported version"),
    25: Rule(Action.PERMANENT, "invalid encoding"),
    26: Rule(Action.CONFIGURATION, "ip black list"),
    27: Rule(Action.CONFIGURATION, "access denied"),
    28: Rule(Action.CONFIGURATION, "app disabled"),
    29: Rule(Action.RENEW, "missing auth token"),
    30: Rule(Action.CONFIGURATION, "no permission for this call"),
    31: Rule(Action.PERMANENT, "data does not exist"),
    32: Rule(Action.ACCEPTED, "had it already"),
    33: Rule(Action.TODAY, "daily quota used up"),
    34: Rule(Action.TODAY, "daily picture quota used up"),
    40: Rule(Action.PERMANENT, "missing argument"),
    41: Rule(Action.PERMANENT, "invalid argument"),
    51: Rule(Action.PERMANENT, "invalid picture"),
    54: Rule(Action.PERMANENT, "private template missing"),
    55: Rule(Action.RETRY, "frequency limit"),
    59: Rule(Action.PERMANENT, "no permission for the fallback"),
    67: Rule(Action.PERMANENT, "category or notify level refused"),
    10000: Rule(Action.GONE, "invalid registration id"),
}
NAMES_REGISTRATION_ID = re.compile(r"(?<!verify_)registration[ _]?ids?\b", re.IGNORECASE)


def rule_of(code: int, text: str = "") -> Rule:
    """What to do about a code; ``text``: OPPO's own words, by which a 41 may mean a dead token."""
    if code == 41 and NAMES_REGISTRATION_ID.search(text):
        return RULES[10000]
    return RULES.get(code) or Rule(Action.PERMANENT, "unknown code")


def reason_of(code: int, rule: Rule) -> str:
    """What the trail says: the code and its meaning."""
    return f"code {code} {rule.reason}"
