"""(a) A send to ALL against a bare send(2) loop; (d) memory per idle connection.

Both sides in one run, in turn: the same client counts the same bytes on as many connections of each.
Time: from the request (or the word to the loop) to the last byte of the last connection.
"""

from __future__ import annotations

import argparse

from common import SERVER_CPU, free_port, gateway, median, spread
from load import Devices, Lines, build


def bare_loop(devices: Devices, count: int) -> Lines:
    port = free_port()
    loop = Lines(build("bare"), str(port), str(count), cpu=SERVER_CPU)
    loop.read()
    devices.connect_plain(port, count)
    loop.read()
    return loop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    count = options.connections
    with gateway() as one, Devices() as devices, Devices() as others, bare_loop(others, count) as loop:
        ids = one.register(count)
        one.send(audiences=["nobody"])
        one.await_dispatched()
        before = one.rss()
        seconds = devices.connect(one, ids)
        print(
            f"(d) {count} connections opened in {seconds:.1f} s; resident memory per idle connection: "
            f"{(one.rss() - before) / count / 1024:.2f} KiB"
        )
        length = devices.frame_length(one)
        ours, limit, work = [], [], []
        for _ in range(options.rounds):
            others.expect(length)
            loop.ask(str(length))
            limit.append(others.arrived().last)
            cpu = one.cpu()
            devices.expect(length)
            one.send()
            ours.append(devices.arrived().last)
            one.await_dispatched()
            work.append(one.cpu() - cpu)
        ratios = [a / b for a, b in zip(limit, ours, strict=True)]
        print(f"(a) {count} connections, frame of {length} bytes, {options.rounds} rounds, in turn")
        print(f"    bare send loop: {spread([value * 1000 for value in limit], 1)} ms")
        print(
            f"    onepush, POST to last byte: {spread([value * 1000 for value in ours], 1)} ms; "
            f"{count / median(ours):,.0f} deliveries/s; {median(work) / count * 1e6:.1f} us CPU per delivery"
        )
        print(f"    ratio: {spread(ratios)}")


if __name__ == "__main__":
    main()
