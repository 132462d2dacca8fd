"""``make test-released``: the tests of each distribution against its wheel, with no other plugin installed.

Builds everything, then for the core and for each plugin: a fresh environment with the wheels of the core and
of that plugin, and its own test dependencies; there its tests run, in a folder that has no source in it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.harness.needs import ONE_AT_A_TIME
from tests.released.building import ROOT, TOGETHER, Built, build_all
from tests.released.environments import (
    add_test_dependencies,
    clean_environment,
    make_environment,
    wheels_for,
)

BESIDE = ("docs", "tests", "CHANGELOG.md", "CONTRIBUTING.md", "README.md")
"""What the tests read, beside themselves."""
SETTINGS = re.compile(r"^\[tool\.pytest\.ini_options\]\n(?:[^\[\n].*\n)+", re.MULTILINE)
SUMMARY = re.compile(r"^(?=.*\d+ passed).* in [\d.]+s.*$", re.MULTILINE)
SKIPPED = re.compile(r"^SKIPPED .*$", re.MULTILINE)
PATIENCE = 900.0
IMPORT_ALL = """
import pkgutil, sys
from importlib import import_module
for name in sys.argv[1:]:
    package = import_module(name)
    print(package.__file__)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith("__main__"):
            try:
                import_module(module.name)
            except ModuleNotFoundError as error:
                if error.name not in ("psycopg", "pytest"):  # of the extras [postgres] and [testing]
                    raise
"""


class Verdict(NamedTuple):
    """How the tests of one distribution went."""

    name: str
    passed: bool
    output: str
    seconds: float


def run_tests(built: Built, everything: list[Built], folder: Path) -> Verdict:
    """Install one distribution, and run its tests."""
    began = time.monotonic()
    wheels = wheels_for(built, everything)
    python = make_environment(folder / "venv", wheels)
    place = _prepare(folder / "place")
    environment = clean_environment(**{ONE_AT_A_TIME: built.name})
    _check_place(python, place, built, environment)
    add_test_dependencies(python, built, wheels)
    tests = f"tests/{built.package.removeprefix('onepush_')}"
    command = [python, "-m", "pytest", "--color=no", tests]
    done = subprocess.run(
        command,
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    return Verdict(built.name, done.returncode == 0, done.stdout, time.monotonic() - began)


def _prepare(place: Path) -> Path:
    """A folder with the tests, what they read, and pytest's settings; but no source."""
    place.mkdir()
    for name in BESIDE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, place / name)
    found = SETTINGS.search((ROOT / "pyproject.toml").read_text("utf-8"))
    assert found is not None
    (place / "pyproject.toml").write_text(found.group(), "utf-8")
    return place


def _check_place(python: Path, place: Path, built: Built, environment: dict[str, str]) -> None:
    """Raise AssertionError unless what was installed is what is found, and needs nothing that is not."""
    told = subprocess.run(
        [python, "-c", IMPORT_ALL, "onepush_core", built.package],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    for file in told.stdout.split():
        assert file.startswith(str(python.parent.parent)), file


def main() -> int:
    """Run everything, or the distributions named; 0 when all tests passed."""
    with tempfile.TemporaryDirectory(prefix="onepush-released-") as temporary:
        folder = Path(temporary)
        everything = build_all(folder)
        chosen = [one for one in everything if not sys.argv[1:] or one.name in sys.argv[1:]]
        with ThreadPoolExecutor(TOGETHER) as pool:
            verdicts = list(
                pool.map(lambda one: _announce(run_tests(one, everything, _folder_for(one, folder))), chosen)
            )
    for verdict in verdicts:
        summary = SUMMARY.findall(verdict.output) or ["no test passed"]
        print(f"{'passed' if verdict.passed else 'FAILED'}  {verdict.name:13} {summary[-1].strip('= ')}")
    return int(not verdicts or not all(verdict.passed for verdict in verdicts))


def _folder_for(built: Built, folder: Path) -> Path:
    made = folder / "run" / built.name
    made.mkdir(parents=True)
    return made


def _announce(verdict: Verdict) -> Verdict:
    """Print everything of a failure, and of a success what was left out."""
    skipped = "\n".join(SKIPPED.findall(verdict.output))
    print(f"===== {verdict.name}: {verdict.seconds:.0f} s", flush=True)
    print(skipped if verdict.passed else verdict.output, flush=True)
    return verdict


if __name__ == "__main__":
    sys.exit(main())
