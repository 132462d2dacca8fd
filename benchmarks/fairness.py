"""(e) Latency of other HTTP calls on the worker that is busy with broadcasts, and on the idle one.

The calls come on schedule (open loop) while one broadcast follows the other: the next is sent when the last
device has the frame of the one before.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from common import Gateway, gateway, median
from load import Answers, Callers, Devices, get

RATE = 100
"""Calls a second of each kind."""


def probe(
    one: Gateway, request_id: str, seconds: float, meanwhile: Callable[[], object]
) -> dict[str, Answers]:
    """The latencies of each call while ``meanwhile`` is done over and over."""
    paths = {"GET /health/live": "/health/live", "GET /v1/messages/{id}": f"/v1/messages/{request_id}"}
    count = round(RATE * seconds)
    probes = {name: Callers(one.port, 8, [get(one, path)], count, RATE) for name, path in paths.items()}
    while any(load.is_running() for load in probes.values()):
        meanwhile()
    return {name: load.wait_for_all() for name, load in probes.items()}


def report(title: str, found: dict[str, Answers]) -> None:
    """Print one line for each call."""
    for name, answers in found.items():
        print(
            f"    {title}: {name}: p50 {answers.p50 * 1000:.1f} ms, p99 {answers.p99 * 1000:.1f} ms, "
            f"max {answers.most * 1000:.1f} ms"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    with gateway() as one, Devices() as devices:
        devices.connect(one, one.register(options.connections))
        length = devices.frame_length(one)
        request_id = one.send(audiences=["user0"])
        broadcasts: list[float] = []

        def broadcast() -> None:
            devices.expect(length)
            one.send()
            broadcasts.append(devices.arrived().last)

        idle = probe(one, request_id, options.seconds / 3, lambda: time.sleep(0.05))
        busy = probe(one, request_id, options.seconds, broadcast)
        print(f"(e) {RATE} HTTP calls/s of each kind beside broadcasts to {options.connections} connections")
        print(f"    {len(broadcasts)} broadcasts back to back, {median(broadcasts) * 1000:.0f} ms each")
        report("idle", idle)
        report("busy", busy)


if __name__ == "__main__":
    main()
