"""What is installed in this environment: entry points, read once, as that takes some ten milliseconds."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points


@cache
def entry_points_of(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of a group, as they were when they were first asked for."""
    return tuple(entry_points(group=group))
