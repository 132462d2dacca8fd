"""Distributions: each is complete alone, and they agree with each other."""

import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))


def project_of(folder):
    """The [project] table of a distribution."""
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]


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
        for requirement in project["dependencies"] + project.get("optional-dependencies", {}).get("dev", []):
            name = requirement.split(">=")[0].split("[")[0].lower()
            assert name in fixed or name.startswith("onepush-"), requirement
