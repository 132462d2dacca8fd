"""Run every benchmark, one after the other: ``python -m benchmarks``, or ``make bench``.

Each is a script of its own and can be run alone; ``--help`` shows how to make it longer or shorter.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = ("fanout", "accept", "latency", "fairness", "growth", "oppo", "tags", "several")
LIMIT = 300
"""Seconds for one script; they take less than a third of that on an idle machine."""


def find_obstacle() -> str | None:
    """What keeps the benchmarks from running here."""
    if not sys.platform.startswith("linux"):
        return "the benchmarks need Linux (epoll, taskset)"
    if len(os.sched_getaffinity(0)) < 2:
        return "the benchmarks need two cores: one for the gateway, one for the load"
    return None


def run(name: str) -> bool:
    """Run one script; True when it went through."""
    try:
        subprocess.run([sys.executable, "-u", str(HERE / f"{name}.py")], check=True, timeout=LIMIT)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return False
    return True


def main() -> int:
    """Run all; the number of those that failed."""
    obstacle = find_obstacle()
    if obstacle:
        raise SystemExit(obstacle)
    start = time.monotonic()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}; medians and [ranges]", flush=True)
    failed = [name for name in SCRIPTS if not run(name)]
    print(f"all in {time.monotonic() - start:.0f} s")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
