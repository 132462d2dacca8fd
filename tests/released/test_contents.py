"""What sdists and wheels contain: the package, its metadata, licence and README, and nothing by accident."""

from __future__ import annotations

import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message

import pytest

from tests.released.building import FOLDERS, project_of, source_files

NAMES = [project_of(folder)["name"] for folder in FOLDERS]
METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}
BESIDE = {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg"}
"""What an sdist has beside the package; setuptools writes PKG-INFO, setup.cfg and one egg-info into each."""
EGG_INFO = {
    "PKG-INFO",
    "SOURCES.txt",
    "dependency_links.txt",
    "entry_points.txt",
    "requires.txt",
    "top_level.txt",
}


@pytest.fixture(params=NAMES)
def built(request, distributions):
    """One distribution after the other."""
    return next(one for one in distributions if one.name == request.param)


def metadata_of(built) -> Message:
    """What is written into the wheel about it."""
    with zipfile.ZipFile(built.wheel) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(wheel.read(name))


def test_wheel_contains_the_package_and_nothing_else(built):
    """Each file of the package, with ``py.typed``, and the metadata with the licence."""
    with zipfile.ZipFile(built.wheel) as wheel:
        names = set(wheel.namelist())
    info = f"{built.package}-{built.project['version']}.dist-info/"
    assert {name for name in names if not name.startswith(info)} == source_files(built.folder)
    assert f"{built.package}/py.typed" in names
    assert {name.removeprefix(info) for name in names if name.startswith(info)} == METADATA


def test_sdist_contains_the_source_and_nothing_else(built):
    """The package, what builds it, licence and README; no tests, no data, no other egg-info."""
    top = f"{built.package}-{built.project['version']}/"
    with tarfile.open(built.sdist) as sdist:
        names = {one.name.removeprefix(top) for one in sdist.getmembers() if one.isfile()}
    egg_info = {f"{built.package}.egg-info/{name}" for name in EGG_INFO}
    assert names == source_files(built.folder) | BESIDE | egg_info


def test_metadata_say_what_the_project_says(built):
    """Name, version, Python, licence, README, dependencies, and a plugin's range of the API."""
    metadata = metadata_of(built)
    assert (metadata["Name"], metadata["Version"]) == (built.name, built.project["version"])
    assert (metadata["License-Expression"], metadata["Requires-Python"]) == ("Apache-2.0", ">=3.11")
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().startswith(
        f"# {'onepush' if built.name == 'onepush-core' else built.name}\n"
    )
    plain = [one for one in metadata.get_all("Requires-Dist") if "extra ==" not in one]
    assert len(plain) == len(built.project["dependencies"])
    assert ("onepush-api~=1.0" in metadata["Keywords"].split(",")) == (built.name != "onepush-core")
