"""Fresh environments with nothing in them but what a user installs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.released.building import ROOT, Built

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def make_environment(folder: Path, wheels: Sequence[Path]) -> Path:
    """A fresh environment with these wheels and what they depend on; its Python.

    --without-pip: the venv module of some distributions comes without ensurepip.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    _install(python, *map(str, wheels))
    return python


def add_test_dependencies(python: Path, built: Built, wheels: Sequence[Path]) -> None:
    """Install what a distribution's own tests need: the group ``test`` of its pyproject file."""
    _install(python, *map(str, wheels), "--group", f"{built.folder / 'pyproject.toml'}:test")


def _install(python: Path, *wanted: str) -> None:
    command = [
        *PIP,
        "--python",
        str(python),
        "install",
        "--quiet",
        "--constraint",
        str(ROOT / "constraints.txt"),
    ]
    subprocess.run([*command, *wanted], check=True)


def clean_environment(**more: str) -> dict[str, str]:
    """The variables of this process without those that lead Python or onepush somewhere else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ONEPUSH_", "PYTHON"))}
    return {**kept, **more}


def wheels_for(built: Built, everything: Sequence[Built]) -> list[Path]:
    """The wheel of a distribution and those of ours that it depends on."""
    by_name = {one.name: one for one in everything}
    found = {built.name: built.wheel}
    for requirement in built.project["dependencies"]:
        needed = by_name.get(requirement.partition(">=")[0].partition("[")[0])
        if needed is not None:
            found.update((wheel.name, wheel) for wheel in wheels_for(needed, everything))
    return list(dict.fromkeys(found.values()))
