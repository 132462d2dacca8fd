"""Building the distributions as a release does: an sdist from the source, the wheel from that sdist.

The source is copied first, and junk such as a working tree collects is put beside and into the copy: none of
it may get into what is built.
"""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from build import ProjectBuilder
from pyproject_hooks import quiet_subprocess_runner

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
TOGETHER = 2
JUNK = (
    ".env",
    "var/onepush.db",
    "dist/old.whl",
    "build/lib/{package}/stale.py",
    "{package}/notes.txt",
    "{package}/var/onepush.db",
    "{package}/__pycache__/plugin.cpython-311.pyc",
)
GENERATED = {"__pycache__", ".pytest_cache", "onepush_pigeon.egg-info"}


class Built(NamedTuple):
    """A distribution: where it comes from, its ``[project]`` table, and its two files."""

    folder: Path
    project: dict[str, Any]
    sdist: Path
    wheel: Path

    @property
    def name(self) -> str:
        """What pip calls it."""
        return str(self.project["name"])

    @property
    def package(self) -> str:
        """What Python calls it."""
        return package_of(self.project)


def package_of(project: dict[str, Any]) -> str:
    """The import package of a distribution."""
    return str(project["name"]).replace("-", "_")


def project_of(folder: Path) -> dict[str, Any]:
    """The ``[project]`` table of a folder."""
    project: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    return project


def source_files(folder: Path) -> set[str]:
    """The files of the package, as paths within the folder."""
    package = folder / package_of(project_of(folder))
    found = (Path(where, name) for where, _, names in os.walk(package, followlinks=True) for name in names)
    return {path.relative_to(folder).as_posix() for path in found if not GENERATED & set(path.parts)}


def build_all(target: Path) -> list[Built]:
    """Build every distribution of the repository into a folder."""
    with ThreadPoolExecutor(TOGETHER) as pool:
        return list(pool.map(lambda folder: _build(folder, target), FOLDERS))


def _build(folder: Path, target: Path) -> Built:
    project = project_of(folder)
    source = _copy(folder, project, target / "source" / project["name"])
    sdist = Path(_builder(source).build("sdist", target / "dist"))
    unpacked = target / "unpacked"
    shutil.unpack_archive(sdist, unpacked, filter="data")
    wheel = Path(_builder(unpacked / sdist.name.removesuffix(".tar.gz")).build("wheel", target / "dist"))
    return Built(folder, project, sdist, wheel)


def _builder(source: Path) -> ProjectBuilder:
    return ProjectBuilder(source, python_executable=sys.executable, runner=quiet_subprocess_runner)


def _copy(folder: Path, project: dict[str, Any], source: Path) -> Path:
    package = package_of(project)
    shutil.copytree(folder / package, source / package, ignore=shutil.ignore_patterns(*GENERATED))
    for file in folder.iterdir():
        if file.is_file():
            shutil.copy(file, source)
    for pattern in JUNK:
        junk = source / pattern.format(package=package)
        junk.parent.mkdir(parents=True, exist_ok=True)
        junk.write_text("junk", "utf-8")
    return source
