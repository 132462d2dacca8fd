"""The public door: what plugins import, and when that is loaded."""

from __future__ import annotations

import subprocess
import sys

import onepush_core


def test_door_offers_everything_it_names():
    """Each name in ``__all__`` can be imported, and nothing else has a home."""
    assert sorted([*onepush_core._HOME_OF, "API_VERSION"]) == sorted(onepush_core.__all__)
    for name in onepush_core.__all__:
        assert getattr(onepush_core, name) is not None


def test_door_imports_nothing_before_it_is_used():
    """Importing the package alone loads no library, so that gevent can patch first."""
    code = "import sys, onepush_core; print(sorted({'peewee', 'falcon', 'gevent'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
