"""Writing a new plugin: the example, with its name replaced.

The template is the distribution ``examples/minimal_plugin`` as it stands, which is built and tested like
any other; its name occurs in it in few spellings, and all of them are replaced.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from onepush_core.installed import entry_points_of
from onepush_core.settings import TABLES

TEMPLATE = Path(__file__).parent / "template"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 32
RESERVED = ("core", "onepush", *TABLES)
LEFT_OUT = ("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "build", "dist")
"""What is no part of the template, where somebody has worked in it."""


class BadName(ValueError):
    """No plugin can have this name; the text says why."""


class Names(NamedTuple):
    """A plugin's name in all its spellings. ``name``: of the entry point, settings and trail."""

    name: str
    module: str
    title: str
    vendor: str

    @property
    def package(self) -> str:
        """The package and the folder."""
        return f"onepush_{self.module}"


OF_TEMPLATE = Names("pigeon", "pigeon", "Pigeon", "PIGEON")


def names_of(name: str) -> Names:
    """All spellings of a new plugin's name. Raises BadName."""
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise BadName(
            f"{name[:64]!r} is not a letter and up to {LONGEST - 1} lower-case letters, digits and hyphens"
        )
    if name in RESERVED:
        raise BadName(f"{name!r} is a word of the core's own")
    if name in {point.name for point in entry_points_of("onepush")}:
        raise BadName(f"a plugin named {name!r} is installed already")
    module = name.replace("-", "_")
    return Names(name, module, "".join(part.capitalize() for part in name.split("-")), module.upper())


def write_distribution(names: Names, target: Path) -> list[Path]:
    """Write all files of the template under the new name; their paths, relative to ``target``."""
    written: list[Path] = []
    for source in sorted(TEMPLATE.rglob("*")):
        relative = source.relative_to(TEMPLATE)
        if (
            not source.is_file()
            or not set(LEFT_OUT).isdisjoint(relative.parts)
            or "egg-info" in str(relative)
        ):
            continue
        path = Path(rename(str(relative), names))
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(rename(source.read_text("utf-8"), names), "utf-8")
        written.append(path)
    return written


def rename(text: str, names: Names) -> str:
    """The template's name replaced, in each of its spellings. Pure."""
    old = OF_TEMPLATE
    replacements = {
        f"onepush_{old.module}": names.package,
        f"ONEPUSH_{old.vendor}": f"ONEPUSH_{names.vendor}",
        old.vendor: names.vendor,
        old.title: names.title,
        old.name: names.name,
    }
    pattern = "|".join(map(re.escape, replacements))
    return re.sub(pattern, lambda found: replacements[found.group()], text)
