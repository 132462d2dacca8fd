"""Links between the pages lead somewhere, and nothing of one machine is written into them."""

from __future__ import annotations

import re

import pytest

from tests.docs.reading import DOCS, ROOT

PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("plugins/*/*.md")])
LINK = re.compile(r"\]\(([^)#]*)(?:#([\w-]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as Markdown renderers make them."""
    return {re.sub(r"[^\w\- ]", "", found.lower()).replace(" ", "-") for found in HEADING.findall(text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_of_page_lead_somewhere(page):
    """Each relative link names a file of the repository, each anchor a heading."""
    for target, anchor in LINK.findall(page.read_text("utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), target
        assert found.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(found.read_text("utf-8")), anchor


def test_decisions_are_numbered():
    """From 1 on without a gap, number and title alike."""
    files = sorted((DOCS / "decisions").glob("*.md"))
    numbers = [int(file.name[:4]) for file in files]
    assert numbers == list(range(1, len(files) + 1))
    for number, file in zip(numbers, files, strict=True):
        assert file.read_text("utf-8").startswith(f"# {number} ")
