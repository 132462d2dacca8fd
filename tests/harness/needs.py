"""What a test needs beside the distribution that it is for.

Here everything is installed, and what is missing is a failure. ``make test-released`` installs one plugin at
a time; there a test that needs another one is skipped.
"""

from __future__ import annotations

import os
from importlib.metadata import entry_points

import pytest

ONE_AT_A_TIME = "ONEPUSH_TEST_RELEASED"


def present(*names: str) -> list[str]:
    """These plugins; where one is installed at a time, those of them that are there."""
    if not os.environ.get(ONE_AT_A_TIME):
        return list(names)
    installed = {point.name for point in entry_points(group="onepush")}
    return [name for name in names if name in installed]


def need_plugins(*names: str) -> None:
    """Skip the test where one of these plugins is not there."""
    missing = sorted(set(names) - set(present(*names)))
    if missing:
        pytest.skip(f"needs the plugin {', '.join(missing)}")


def need_source() -> None:
    """Skip a test, or all of a module, that is about the source tree, where there is none."""
    if os.environ.get(ONE_AT_A_TIME):
        pytest.skip("is about the source tree", allow_module_level=True)
