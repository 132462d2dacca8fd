"""Check who imports whom: the core's layers (pyproject.toml), and that plugins keep apart from each other.

Plugins are found in ``plugins/``, so that a new one is checked without a line here.
"""

from __future__ import annotations

import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parent.parent


def plugin_packages() -> list[str]:
    """Names of the packages in ``plugins/``."""
    return sorted(found.parent.name for found in ROOT.glob("plugins/*/onepush_*/__init__.py"))


def plugin_contracts(packages: list[str]) -> list[dict[str, Any]]:
    """What holds for every plugin."""
    return [
        {
            "name": "the core imports no plugin",
            "type": "forbidden",
            "source_modules": ["onepush_core"],
            "forbidden_modules": packages,
        },
        {"name": "plugins do not import each other", "type": "independence", "modules": packages},
        {
            "name": "plugins use the core's public door only",
            "type": "protected",
            "protected_modules": ["onepush_core.*"],
            "allowed_importers": ["onepush_core"],
        },
    ]


def as_ini(settings: dict[str, Any], contracts: list[dict[str, Any]]) -> str:
    """Settings and contracts in import-linter's own file format."""
    sections = {"importlinter": settings} | {
        f"importlinter:contract:{number}": contract for number, contract in enumerate(contracts)
    }
    return "\n".join(line for name, section in sections.items() for line in _section(name, section))


def _section(name: str, values: dict[str, Any]) -> Iterator[str]:
    yield f"[{name}]"
    for key, value in values.items():
        yield f"{key} = " + ("\n    " + "\n    ".join(value) if isinstance(value, list) else str(value))


def main() -> int:
    """Run import-linter; its exit code."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    packages = plugin_packages()
    contracts = settings.pop("contracts") + (plugin_contracts(packages) if packages else [])
    settings["root_packages"] += packages
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "importlinter.ini"
        config.write_text(as_ini(settings, contracts), "utf-8")
        return lint_imports(config_filename=str(config), no_cache=True)


if __name__ == "__main__":
    sys.exit(main())
