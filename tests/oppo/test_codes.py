"""The table of return codes, and that the documentation has the same one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onepush_oppo.codes import RULES, Action, rule_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "oppo.md"
EXPECTED = {
    Action.RETRY: {-1, -2, 13, 55},
    Action.RENEW: {11, 29},
    Action.CLOCK: {19},
    Action.GONE: {10000},
    Action.TODAY: {33, 34},
    Action.CONFIGURATION: {14, 15, 16, 17, 26, 27, 28, 30},
    Action.ACCEPTED: {0, 32},
    Action.PERMANENT: {12, 18, 20, 21, 22, 23, 24, 25, 31, 40, 41, 51, 54, 59, 67},
}


@pytest.mark.parametrize(("action", "codes"), EXPECTED.items())
def test_code_makes_gateway_act(action, codes):
    """Every public code of OPPO's does what the fact sheet advises."""
    assert {code for code, rule in RULES.items() if rule.action is action} == codes


@pytest.mark.parametrize("code", [1000, 52, 10001, -3])
def test_unknown_code_is_permanent(code):
    """A code nobody knows ends the message for OPPO and keeps the token."""
    assert rule_of(code).action is Action.PERMANENT


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("Invalid Arguments: registration_id", Action.GONE),
        ("invalid Registration ID", Action.GONE),
        ("Invalid Arguments: verify_registration_id", Action.PERMANENT),
        ("Invalid Arguments", Action.PERMANENT),
    ],
)
def test_invalid_argument_means_dead_token_only_by_name(text, action):
    """41 forgets a token only when its text names the registration id."""
    assert rule_of(41, text).action is action


def test_document_lists_same_codes():
    """docs/oppo.md has every code with the meaning and the action of the code's table."""
    rows = re.findall(r"^\| (-?\d+) \| ([^|]+) \| ([^|]+) \|$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert {int(code): (meaning, action) for code, meaning, action in rows} == {
        code: (rule.reason, rule.action.value) for code, rule in RULES.items()
    }
