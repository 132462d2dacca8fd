"""Offline OPPO devices handed over per second, against the emulator with 50 ms for each call.

One send to ALL with a registry of OPPO devices none of which is connected; the clock stops when the ledger
says that all are handed off. Gateway on one core, emulator on the other.
"""

from __future__ import annotations

import argparse
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from common import CLIENT_CPU, SERVE, Gateway, cpu_of, gateway, pinned, spread

KEY, SECRET = "bench-key", "bench-secret"
EMULATOR = [sys.executable, "-m", "onepush_oppo.emulator", "--app", f"{KEY}:{SECRET}"]


@contextmanager
def emulator(latency: float) -> Iterator[tuple[str, int]]:
    """A running emulator: its address and process id."""
    command = pinned(CLIENT_CPU, *EMULATOR, "--latency", str(latency))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1], process.pid
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def configuration(folder: str, url: str) -> Path:
    """A file that points the gateway to the emulator."""
    path = Path(folder) / "onepush.toml"
    path.write_text(f'[oppo]\napp_key = "{KEY}"\nmaster_secret = "{SECRET}"\nbase_url = "{url}"\n')
    return path


def fill(one: Gateway, devices: int) -> None:
    """Register OPPO devices straight into the file."""
    one.register(devices)
    with closing(sqlite3.connect(one.database, timeout=60)) as database, database:
        database.execute("UPDATE device SET vendor = 'OPPO', token = printf('OPPO_CN_%032x', key)")


def hand_over(one: Gateway, devices: int) -> float:
    """Seconds until a send to all is handed off."""
    began = time.perf_counter()
    request = one.send()
    while one.status(request)["counts"]["handedOff"] < devices:
        time.sleep(0.02)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=50_000)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rates, costs, theirs = [], [], []
    with (
        emulator(options.latency) as (url, process),
        tempfile.TemporaryDirectory() as folder,
        gateway([*SERVE, "--config", str(configuration(folder, url))]) as one,
    ):
        fill(one, options.devices)
        hand_over(one, options.devices)
        for _ in range(options.rounds):
            ours, other = one.cpu(), cpu_of(process)
            rates.append(options.devices / hand_over(one, options.devices))
            costs.append((one.cpu() - ours) / options.devices * 1e6)
            theirs.append((cpu_of(process) - other) / options.devices * 1e6)
    print(f"offline OPPO devices handed over per second: {spread(rates, 0)}")
    print(f"gateway CPU per device, µs: {spread(costs, 1)}")
    print(f"emulator CPU per device, µs: {spread(theirs, 1)}")


if __name__ == "__main__":
    main()
