"""Distributions: each is complete alone, and they agree with each other."""

import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from harness.needs import need_source
from onepush_core.contract import check_range, declared_range

need_source()
ROOT = Path(__file__).resolve().parents[2]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))


def table_of(folder, name):
    """A table of the distribution's pyproject.toml."""
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8")).get(name, {})


def project_of(folder):
    """What a distribution says of itself."""
    return table_of(folder, "project")


@pytest.mark.parametrize("folder", [ROOT, *PLUGINS], ids=lambda folder: folder.name)
def test_distribution_is_complete(folder):
    """Licence, README, the Python it needs, bounded dependencies, one version everywhere."""
    project = project_of(folder)
    assert project["license"] == "Apache-2.0"
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (folder / project["readme"]).stat().st_size > 0
    assert project["requires-python"] == ">=3.11"
    assert all(">=" in one and ",<" in one for one in project["dependencies"])
    package = project["name"].replace("-", "_")
    assert (folder / package / "py.typed").exists()
    assert import_module(package).__version__ == project["version"]


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_plugin_explains_itself(folder):
    """The README has the line that installs it, settings and a way to the docs; the changelog its version."""
    project = project_of(folder)
    readme = (folder / project["readme"]).read_text("utf-8")
    assert re.search(rf"^pip install {project['name']}\b", readme, re.MULTILINE)
    assert "\n## Settings\n" in readme
    assert "](../../docs/" in readme
    assert f"\n## {project['version']}" in (folder / "CHANGELOG.md").read_text("utf-8")


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_plugin_declares_its_range_of_the_api(folder):
    """A range that holds the version of this repository, and the tests that are to run for it alone."""
    declared = declared_range(",".join(project_of(folder)["keywords"]))
    assert declared is not None
    check_range(declared)


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_plugin_accepts_core_of_this_repository(folder):
    """A plugin's range for onepush-core holds the core's present minor version and no other."""
    major, minor, _ = project_of(ROOT)["version"].split(".")
    wanted = f"onepush-core>={major}.{minor},<{major}.{int(minor) + 1}"
    assert wanted in project_of(folder)["dependencies"]


def test_constraints_name_every_dependency():
    """constraints.txt fixes a version for everything that the distributions name."""
    fixed = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    fixed = {name.replace("_", "-") for name in fixed}
    for folder in [ROOT, *PLUGINS]:
        project = project_of(folder)
        more = project.get("optional-dependencies", {}).get("dev", [])
        more += table_of(folder, "dependency-groups")["test"]
        for requirement in project["dependencies"] + more:
            name = requirement.split(">=")[0].split("[")[0].lower()
            assert name in fixed or name.startswith("onepush-"), requirement
