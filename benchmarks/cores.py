"""Cores of a size: processes are held to a share of a core each, by the kernel (cgroup v1, cpu controller).

Where workers, database and load share two cores, a second worker can only take from the others. Held to a
fifth of a core each, the workers are what limits, as on a machine with cores for everybody.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path("/sys/fs/cgroup/cpu")
PERIOD = 10_000
"""Microseconds within which a process has had its share."""


def can_hold() -> bool:
    """Whether this machine lets us."""
    return (ROOT / "cgroup.procs").exists() and os.access(ROOT, os.W_OK)


@contextmanager
def held_to(share: float, processes: Sequence[int]) -> Iterator[None]:
    """Within, each of these processes gets no more than this share of a core. Raises OSError."""
    groups = [ROOT / f"onepush_bench_{process}" for process in processes]
    try:
        for group, process in zip(groups, processes, strict=True):
            group.mkdir()
            (group / "cpu.cfs_period_us").write_text(str(PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(round(PERIOD * share)))
            (group / "cgroup.procs").write_text(str(process))
        yield
    finally:
        for group, process in zip(groups, processes, strict=True):
            (ROOT / "cgroup.procs").write_text(str(process))
            group.rmdir()
