"""The ``onepush`` command as a person or a script runs it: a process of its own, in a folder of its own."""

import json
import os
import subprocess
import sys

from harness.process import NOWHERE

PATIENCE = 20
# No plugin, and nobody to ask: what is installed here, or runs, does not matter to these tests.
ENVIRONMENT = {"ONEPUSH_PLUGINS_LOAD": "", "ONEPUSH_BIND": NOWHERE}


class Onepush:
    """Runs commands in one folder; ``var/onepush.db`` in it is the database unless they say otherwise."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, *words, **variables):
        """Run one command; the finished process with its texts."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ONEPUSH_")}
        return subprocess.run(
            [sys.executable, "-m", "onepush_core", *words],
            cwd=self.folder,
            env=clean | ENVIRONMENT | variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def json(self, *words):
        """Run one command with ``--json``; what it printed."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
