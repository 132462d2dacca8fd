"""(c) From a send to the frame at the device's socket: 500 sends a second, 5,000 connected devices.

Open loop: send k is due at k/500 s whatever became of those before, and its latency counts from then. Each
send goes to one alias with one device; its number stands in ``alert``, so that every frame is matched to its
send.
"""

from __future__ import annotations

import argparse
import random
from typing import NamedTuple

from common import Gateway, gateway
from load import Answers, Callers, Devices, post_send

CALLERS = 64
SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


class Run(NamedTuple):
    """What one run has shown: latencies in seconds, ascending; shares of a core."""

    latencies: list[float]
    answers: Answers
    worker: float
    client: float


def read_arrivals(one: Gateway) -> dict[int, float]:
    """When the frame of each send came (CLOCK_MONOTONIC), as client.c wrote it."""
    arrivals: dict[int, float] = {}
    for line in (one.folder / "frames").read_text().splitlines():
        number, moment = line.split()
        if arrivals.setdefault(int(number), float(moment)) != float(moment):
            raise SystemExit(f"send {number} arrived twice")
    return arrivals


def run(one: Gateway, devices: Devices, rate: int, seconds: float) -> Run:
    """Send on schedule and collect the frames."""
    count = round(rate * seconds)
    requests = [
        post_send(one, audiences=[f"user{random.randrange(devices.count)}"], alert=f"{number:0100d}")
        for number in range(count)
    ]
    worker, client = one.cpu(), devices.cpu()
    devices.write(f"frames {count} {seconds + 10} {one.folder / 'frames'}")
    answers = Callers(one.port, CALLERS, requests, count, rate).wait_for_all()
    devices.read()
    arrivals = read_arrivals(one)
    if len(arrivals) != count:
        raise SystemExit(f"only {len(arrivals)} of {count} frames arrived")
    latencies = sorted(moment - answers.start - number / rate for number, moment in arrivals.items())
    return Run(latencies, answers, (one.cpu() - worker) / seconds, (devices.cpu() - client) / seconds)


def report(found: Run) -> None:
    """Print the latencies and how busy both sides were."""
    latencies = found.latencies
    values = {name: latencies[int(len(latencies) * share)] for name, share in SHARES.items()}
    values["max"] = latencies[-1]
    print(
        "    send to socket: " + ", ".join(f"{name} {value * 1000:.1f} ms" for name, value in values.items())
    )
    answers = found.answers
    print(
        f"    send to 200: p50 {answers.p50 * 1000:.1f} ms, p99 {answers.p99 * 1000:.1f} ms, "
        f"p99.9 {answers.p999 * 1000:.1f} ms, max {answers.most * 1000:.1f} ms"
    )
    print(f"    worker busy {found.worker:.0%} of its core, device side {found.client:.0%} of the other")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=25)
    options = parser.parse_args()
    random.seed(1)
    with gateway() as one, Devices() as devices:
        devices.connect(one, one.register(options.connections))
        run(one, devices, options.rate, 2)
        found = run(one, devices, options.rate, options.seconds)
        print(f"(c) {options.rate} sends/s for {options.seconds:.0f} s, {options.connections} connections")
        report(found)


if __name__ == "__main__":
    main()
