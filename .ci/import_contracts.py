"""Check who imports whom: the core's layers (pyproject.toml), and that plugins keep apart from each other.

Plugins are found in ``plugins/`` and ``examples/``, so that a new one is checked without a line here. The
tests of the examples show what a plugin's author has: the public door, and ``onepush_core.testing``.
"""

from __future__ import annotations

import ast
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parent.parent


AUTHORS_MODULES = {"onepush_core", "onepush_core.testing"}


def plugin_folders() -> list[Path]:
    """The packages of all plugins, those among the examples too."""
    places = ("plugins", "examples")
    return sorted(found.parent for place in places for found in ROOT.glob(f"{place}/*/onepush_*/__init__.py"))


def beyond_the_door(example: Path) -> Iterator[str]:
    """Imports of an example's files that no author could rely on."""
    for path in sorted(example.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            inside = [name for name in names if name.split(".")[0] == "onepush_core"]
            for name in sorted(set(inside) - AUTHORS_MODULES):
                yield f"{path.relative_to(ROOT)}:{node.lineno} imports {name}"


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
    """Run import-linter, then look at the examples; the exit code."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    folders = plugin_folders()
    sys.path[:0] = [str(folder.parent) for folder in folders]  # the examples are not installed
    packages = [folder.name for folder in folders]
    contracts = settings.pop("contracts") + (plugin_contracts(packages) if packages else [])
    settings["root_packages"] += packages
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "importlinter.ini"
        config.write_text(as_ini(settings, contracts), "utf-8")
        code = lint_imports(config_filename=str(config), no_cache=True)
    found = [line for example in sorted(ROOT.glob("examples/*")) for line in beyond_the_door(example)]
    for line in found:
        print(f"{line}: examples use the public door and onepush_core.testing only", file=sys.stderr)  # noqa: T201
    return code or int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
