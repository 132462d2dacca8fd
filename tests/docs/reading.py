"""Reading what the documentation says, so that tests can compare it with the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"^\|.*\n(?:\|.*\n)+", re.MULTILINE)
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)


def read(name: str) -> str:
    """The text of a page."""
    return (DOCS / name).read_text("utf-8")


def sections(text: str) -> dict[str, str]:
    """The text under each second-level heading."""
    parts = _SECTION.split(text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def python_blocks(text: str) -> list[str]:
    """The Python code of a text, block by block."""
    return _PYTHON.findall(text)


def run_block(block: str) -> dict[str, Any]:
    """The names that an example defines."""
    names: dict[str, Any] = {}
    exec(compile(block, "<example>", "exec"), names)
    return names


def table(text: str) -> list[list[str]]:
    """The rows of the first table of a text, without its head."""
    first = _TABLE.search(text)
    lines = first.group().splitlines()[2:] if first else []
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
