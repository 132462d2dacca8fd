"""Running checks on flawed plugins in a pytest of their own, and reading what came of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]


def run_checks(file: str, folder: Path) -> dict[str, dict[str, str | None]]:
    """For each class of a file, its checks: None where one passed, else what it said."""
    results = folder / "results.xml"
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={results}", f"tests/testing/{file}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert results.exists(), done.stdout + done.stderr
    verdicts: dict[str, dict[str, str | None]] = {}
    for case in ElementTree.parse(results).iter("testcase"):
        name = case.get("classname", "").rpartition(".")[2]
        failure = case.find("failure")
        said = None if failure is None else f"{failure.get('message')}\n{failure.text}"
        if case.find("error") is not None:
            said = f"error: {case.find('error').text}"
        verdicts.setdefault(name, {})[case.get("name", "")] = said
    return verdicts
