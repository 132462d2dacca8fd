"""Run the tests folder by folder, some at a time; what ``make test`` calls.

Most tests wait for processes, sockets and clocks, so two run side by side in little more than half the
time. (pytest-xdist does not go together with gevent's patching.) What uses a database runs twice: on SQLite,
then on PostgreSQL (``harness/databases.py``). With names of folders: only these; with other arguments:
pytest as it is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).parent
TOGETHER = 2
LONGEST_FIRST = (
    *("journey", "core", "cluster", "redis", "oppo", "sms", "tags"),
    *("testing", "authors", "deploy", "ws", "demo", "docs"),
)
WAITING = (("cluster", "sms"), ("redis", "deploy", "oppo", "tags"))
"""Folders that do little but wait: these run beside the others, one after the other in each lane."""
ONE_STORE = {"cluster", "redis", "deploy"}
"""Folders that know one store only."""
ON_POSTGRESQL = {
    "journey": ("test_journey.py", "test_promises_*.py", "test_crashes.py", "test_stopping.py"),
    "core": ("test_*.py",),
    "sms": ("test_budgets.py", "test_sms_*.py"),
    "tags": ("test_audience.py", "test_store.py", "test_tag_*.py", "test_turns.py"),
    "oppo": ("test_crash.py", "test_delivery.py"),
}
"""What runs on PostgreSQL as well: all that the store has a say in. ONEPUSH_TEST_LONG=1: everything."""
LONG = bool(os.environ.get("ONEPUSH_TEST_LONG"))
NO_TESTS = 5
COUNT = re.compile(r"(\d+) (passed|failed|skipped|error)")


def folders() -> list[Path]:
    """The folders that hold tests; those that take longest first, the examples last."""
    found = {path.parent.name for path in HERE.glob("*/test_*.py")}
    names = [name for name in LONGEST_FIRST if name in found] + sorted(found.difference(LONGEST_FIRST))
    examples = sorted(path.parent for path in HERE.parent.glob("examples/*/tests"))
    return [HERE / name for name in names] + examples


def files_on_postgresql(folder: str) -> list[str]:
    """The files of a folder that run in the second pass."""
    everything = () if folder in ONE_STORE else ("test_*.py",)
    patterns = everything if LONG else ON_POSTGRESQL.get(folder, ())
    return sorted({str(path) for pattern in patterns for path in (HERE / folder).glob(pattern)})


def run_folder(folder: Path, store: str) -> tuple[str, int, str]:
    """What was run and what it cost, pytest's exit code and what it printed.

    An example is run as its author would: from its own folder, with its own settings.
    """
    example = folder.parent != HERE
    what = [] if example else [str(folder)] if store == "sqlite" else files_on_postgresql(folder.name)
    command = [sys.executable, "-m", "pytest", "--color=no", *what]
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command,
            cwd=folder if example else None,
            env={**os.environ, "ONEPUSH_TEST_STORE": store},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        cost = f"{time.monotonic() - began:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of CPU"
        return f"{folder.name} on {store}: {cost}", process.returncode, output.read()


def summary_of(output: str) -> str:
    """pytest's last line; what a process says while it ends may come after it."""
    return next((line for line in reversed(output.splitlines()) if COUNT.search(line)), "")


def run_all(chosen: Sequence[Path]) -> Iterator[tuple[str, int, str]]:
    """Run these folders in their lanes, on every store they are for; what came of each, as it ends."""
    again = [one.name for one in chosen if one.parent == HERE and files_on_postgresql(one.name)]
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(TOGETHER))
        beside = {}
        for waiting in WAITING:
            beside.update(dict.fromkeys(waiting, stack.enter_context(ThreadPoolExecutor(1))))
        runs = [beside.get(folder.name, pool).submit(run_folder, folder, "sqlite") for folder in chosen]
        runs += [beside.get(name, pool).submit(run_folder, HERE / name, "postgresql") for name in again]
        for future in as_completed(runs):
            yield future.result()


def main() -> int:
    """Run everything, or the folders named; 0 when all of it passed."""
    wanted, known = sys.argv[1:], folders()
    if not {folder.name for folder in known}.issuperset(wanted):
        return subprocess.call([sys.executable, "-m", "pytest", *wanted])
    totals = dict.fromkeys(("passed", "failed", "skipped", "error"), 0)
    codes = []
    for name, code, output in run_all([folder for folder in known if not wanted or folder.name in wanted]):
        print(f"===== {name}\n{output}", flush=True)
        codes.append(code)
        for number, word in COUNT.findall(summary_of(output)):
            totals[word] += int(number)
    failed = totals["failed"] + totals["error"]
    print(f"{totals['passed']} passed, {failed} failed, {totals['skipped']} skipped")
    return int(any(code not in (0, NO_TESTS) for code in codes) or not totals["passed"])


if __name__ == "__main__":
    sys.exit(main())
