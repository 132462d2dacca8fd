"""Run the tests folder by folder, two at a time; what ``make test`` calls.

Most tests wait for processes, sockets and clocks, so two run side by side in little more than half the
time. (pytest-xdist does not go together with gevent's patching.) With arguments: pytest as it is.
"""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

HERE = Path(__file__).parent
TOGETHER = 2
LONGEST_FIRST = ("journey", "core", "oppo", "sms", "ws", "demo", "tags", "docs")
NO_TESTS = 5
COUNT = re.compile(r"(\d+) (passed|failed|skipped|error)")


def folders() -> list[str]:
    """The folders that hold tests; those that take longest first."""
    found = {path.parent.name for path in HERE.glob("*/test_*.py")}
    return [name for name in LONGEST_FIRST if name in found] + sorted(found.difference(LONGEST_FIRST))


def run_folder(name: str) -> tuple[str, int, str]:
    """The folder's name, pytest's exit code and what it printed."""
    command = [sys.executable, "-m", "pytest", "--color=no", str(HERE / name)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return name, done.returncode, done.stdout


def main() -> int:
    """Run everything; 0 when all of it passed."""
    if sys.argv[1:]:
        return subprocess.call([sys.executable, "-m", "pytest", *sys.argv[1:]])
    totals = dict.fromkeys(("passed", "failed", "skipped", "error"), 0)
    codes = []
    with ThreadPoolExecutor(TOGETHER) as pool:
        for future in as_completed([pool.submit(run_folder, name) for name in folders()]):
            name, code, output = future.result()
            print(f"===== {name}\n{output}", flush=True)
            codes.append(code)
            for number, word in COUNT.findall(output.rstrip().splitlines()[-1]):
                totals[word] += int(number)
    failed = totals["failed"] + totals["error"]
    print(f"{totals['passed']} passed, {failed} failed, {totals['skipped']} skipped")
    return int(any(code not in (0, NO_TESTS) for code in codes) or not totals["passed"])


if __name__ == "__main__":
    sys.exit(main())
