"""docs/writing-a-plugin.md, typed along from its first line to its last."""

from __future__ import annotations

import re

import pytest

from harness.fresh_venv import FreshVenv
from tests.authors.reader import Reader, blocks_of, with_free_ports
from tests.docs.reading import read

PAGE = read("writing-a-plugin.md")


@pytest.fixture
def reader(tmp_path):
    """In an empty folder, with onepush in a virtual environment."""
    fresh = FreshVenv(tmp_path / "venv")
    (tmp_path / "desk").mkdir()
    made = Reader(tmp_path / "desk", fresh.environment())
    yield made
    made.close()


@pytest.mark.timeout(120)
def test_page_works_when_typed_along(reader):
    """Every file is written, every command run, every output as the page shows it."""
    blocks = blocks_of(with_free_ports(PAGE))
    assert {block.kind for block in blocks} == {"sh", "text", "python"}
    for block in blocks:
        reader.follow(block)


def test_page_has_no_block_that_nobody_follows():
    """As many blocks as fences."""
    assert len(blocks_of(PAGE)) == len(re.findall(r"^```", PAGE, re.MULTILINE)) / 2
