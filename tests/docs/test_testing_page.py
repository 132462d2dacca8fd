"""docs/testing-a-plugin.md: its code runs, and its tables name what there is."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from _pytest.fixtures import FixtureFunctionDefinition

import onepush_core.testing as kit
from onepush_core.testing import (
    AudienceResolverConformance,
    AuthenticatorConformance,
    Trouble,
    VendorTransportConformance,
)
from tests.docs.reading import python_blocks, read, sections, table

PAGE = read("testing-a-plugin.md")
SECTIONS = sections(PAGE)
TROUBLES = read("../onepush_core/testing/troubles.py")
CHECKS = {
    "transport": VendorTransportConformance,
    "resolver": AudienceResolverConformance,
    "authenticator": AuthenticatorConformance,
}


def names_in(text: str) -> set[str]:
    """The words in backticks at the beginning of each row of all tables of a text."""
    rows = re.findall(r"^\| `([^|]*)` \|", text, re.MULTILINE)
    return {re.split(r"[(\[]", name)[0] for row in rows for name in row.replace("`", "").split(", ") if name}


def test_examples_pass(tmp_path):
    """With the page's own settings, as an author would run them."""
    settings = re.search(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(settings.group(1))
    for number, block in enumerate(python_blocks(PAGE)):
        (tmp_path / f"test_{number}.py").write_text(block)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_page_lists_the_fixtures():
    """Each with a line."""
    fixtures = {name for name, one in vars(kit).items() if isinstance(one, FixtureFunctionDefinition)}
    assert {row[0].strip("`") for row in table(SECTIONS["Fixtures"])} == fixtures


def test_page_names_everything_of_the_kit():
    """What the package exports is somewhere on the page."""
    assert [name for name in kit.__all__ if not re.search(rf"\b{name}\b", PAGE)] == []


@pytest.mark.parametrize("kind", CHECKS)
def test_page_lists_the_checks_of(kind):
    """Every check of the class, and no other."""
    [listed] = [part for part in PAGE.split("\n\n") if part.startswith("| check of a") and kind in part[:40]]
    checks = {name for name in dir(CHECKS[kind]) if name.startswith("test_")}
    assert names_in(listed) - {f"check of a {kind}"} == checks


def test_every_trouble_has_a_sentence():
    """So that an author can look up what a failing check has done to his plugin."""
    for one in Trouble:
        assert re.search(rf'{one.name} = "{one.value}"\n    """[A-Z].*"""', TROUBLES), one
