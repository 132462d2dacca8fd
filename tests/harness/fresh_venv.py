"""FreshVenv: a virtual environment with our packages, and what a test installs on top without any index."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from harness.process import NOWHERE

OFFLINE = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet")
SHIMS = {
    "onepush": 'exec "{python}" -m onepush_core "$@"',
    "pytest": 'exec "{python}" -m pytest "$@"',
    "pip": 'verb="$1"; shift; exec "{ours}" -m pip --python "{python}" "$verb" {offline} "$@"',
}


class FreshVenv:
    """``bin``: for PATH; it has python, pip, pytest and onepush."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=True)
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        [packages] = folder.glob("lib/python*/site-packages")
        ours = sysconfig.get_path("purelib")
        # A nested environment would see the packages of the base Python, not ours.
        (packages / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
        for name, line in SHIMS.items():
            text = line.format(python=self.python, ours=sys.executable, offline=" ".join(OFFLINE))
            (self.bin / name).write_text(f"#!/bin/sh\n{text}\n")
            (self.bin / name).chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        """The variables of a shell in which it is active."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ONEPUSH_")}
        clean.pop("PYTHONPATH", None)
        return {**clean, "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", **more}

    def run(self, *command: str, folder: Path) -> str:
        """Run a command in a folder; what it printed. Raises AssertionError when it fails.

        A gateway that happens to run on this machine is not asked.
        """
        done = subprocess.run(
            command,
            cwd=folder,
            env=self.environment(ONEPUSH_BIND=NOWHERE),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
        return done.stdout
