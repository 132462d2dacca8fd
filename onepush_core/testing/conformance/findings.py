"""How a check says what is wrong: one sentence, and the page that has the rule."""

from __future__ import annotations

import pytest

DELIVER = "docs/hooks.md#deliver"
OUTCOMES = "docs/hooks.md#outcomes"
AUDIENCE = "docs/hooks.md#resolve_audience"
AUTHENTICATION = "docs/hooks.md#authenticate_app"
SHUTDOWN = "docs/hooks.md#shutdown"
STARTUP = "docs/hooks.md#startup"
TROUBLE = "docs/testing-a-plugin.md#what-a-vendor-may-do-to-you"
SECRETS = "docs/testing-a-plugin.md#what-must-not-be-logged"


def require(holds: object, sentence: str, where: str) -> None:
    """Fail with this sentence unless it holds. ``where``: the page and section that have the rule."""
    if not holds:
        pytest.fail(f"{sentence} (see {where})", pytrace=False)
