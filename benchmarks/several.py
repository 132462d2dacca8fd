"""Several workers on PostgreSQL, with Redis as their bus.

1. A send to ALL with 10,000 sockets, over two workers against one, in turn. The device side sleeps while it
   runs, so that the cores are the server's; the kernel's time stamps say when each frame was there. Database
   and bus run on the same cores; so once more with the workers held to a fifth of a core each (``cores.py``).
2. Durable sends a second with 64 callers, on PostgreSQL, one worker and two, beside SQLite.
3. A hand-over: a send to one device whose socket is at the worker that dispatches, against one at the other.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from accept import CALLERS, some_requests
from common import Gateway, cpu_of, gateway, spread
from cores import can_hold, held_to
from load import Callers, Devices
from shared import NAME, SharedGateway, cpu_of_all, find_obstacle, shared_gateway

SHARE, LONG_ASLEEP = 0.2, 3.0
SETTLED = 2.0
"""Seconds until connections have read their backlogs."""
WATCHED = 5.0
"""Seconds for which idle gateways are watched."""


class Sleeping(Devices):
    """Devices that read nothing for some seconds, while a send is under way."""

    asleep = 1.0

    def times_of(self, one: Gateway, **more: object) -> tuple[float, float]:
        """Seconds from the POST until the first and the last frame were there."""
        self.ask(f"sleep {self.asleep}")
        start = time.time()
        one.send(**more)
        words = self.read()
        if int(words[1]) != self.count:
            raise SystemExit(f"only {words[1]} of {self.count} connections got the frame")
        return float(words[2]) - start, float(words[-1]) - start


class Idle(NamedTuple):
    """CPU seconds a second when nothing is sent: of a gateway's workers, by how many, and of PostgreSQL."""

    workers: dict[int, float]
    database: float


class Side:
    """One of the two gateways that are compared, and its devices; what its sends to ALL have taken."""

    def __init__(self, one: SharedGateway, devices: Sleeping) -> None:
        self._one = one
        self._devices = devices
        self.workers = one.workers
        self.forget()

    def forget(self, asleep: float = Sleeping.asleep) -> None:
        """Begin anew, with devices that sleep for so long."""
        self._devices.asleep = asleep
        self._firsts: list[float] = []
        self.lasts: list[float] = []
        self.busiest: list[float] = []
        self._work: list[float] = []
        self._database: list[float] = []

    def send(self, idle: Idle) -> None:
        """One send to ALL; what it costs is told without what an idle gateway costs."""
        began, cpu, base = time.monotonic(), [*map(cpu_of, self.workers)], cpu_of_all("postgres")
        first, last = self._devices.times_of(self._one)
        self._one.await_dispatched()
        seconds, count = time.monotonic() - began, self._devices.count
        self._firsts.append(first * 1000)
        self.lasts.append(last * 1000)
        share = seconds * idle.workers[len(self.workers)] / len(self.workers)
        work = [cpu_of(worker) - then - share for worker, then in zip(self.workers, cpu, strict=True)]
        self.busiest.append(max(work) * 1000)
        self._work.append(sum(work) / count * 1e6)
        self._database.append((cpu_of_all("postgres") - base - seconds * idle.database) / count * 1e6)

    def tell(self) -> None:
        """Print it."""
        print(
            f"        {len(self.workers)} worker(s): first frame {spread(self._firsts, 0)} ms,"
            f" last frame {spread(self.lasts, 0)} ms; CPU a delivery:"
            f" workers {spread(self._work, 1)} us, PostgreSQL {spread(self._database, 1)} us;"
            f" the busiest worker in all {spread(self.busiest, 0)} ms"
        )


def measure_idle(sides: Sequence[Side]) -> Idle:
    """Watch them for some seconds."""
    began, base = time.monotonic(), cpu_of_all("postgres")
    cpu = [sum(map(cpu_of, side.workers)) for side in sides]
    time.sleep(WATCHED)
    seconds = time.monotonic() - began
    used = [sum(map(cpu_of, side.workers)) - then for side, then in zip(sides, cpu, strict=True)]
    workers = {len(side.workers): work / seconds for side, work in zip(sides, used, strict=True)}
    return Idle(workers, (cpu_of_all("postgres") - base) / seconds)


@contextmanager
def connected(workers: int, count: int) -> Iterator[Side]:
    """A gateway with so many workers and devices, after its first send to ALL."""
    with shared_gateway(workers, name=f"{NAME}_{workers}") as one, Sleeping() as devices:
        connect_all(one, devices, count)
        devices.times_of(one)
        shares = ", ".join(f"{len(held):,}" for held in one.held_by().values())
        print(f"        {workers} worker(s), sockets {shares}")
        yield Side(one, devices)


def connect_all(one: SharedGateway, devices: Devices, count: int) -> None:
    """Connect as after a restart: all at once; prints what a connection costs, its backlog read."""
    ids = one.register(count)
    cpu, base, start = one.cpu(), cpu_of_all("postgres"), time.monotonic()
    devices.connect(one, ids)
    seconds = time.monotonic() - start
    time.sleep(SETTLED)
    work, database = ((one.cpu() - cpu) / count * 1e6, (cpu_of_all("postgres") - base) / count * 1e6)
    costs = f"CPU each: workers {work:.0f} us, PostgreSQL {database:.0f} us"
    print(f"    {count / seconds:,.0f} connections/s; {costs}")


def broadcasts(count: int, rounds: int) -> None:
    """Part 1."""
    print(f"1. a send to ALL with {count:,} sockets, the device side asleep, {rounds} rounds in turn")
    with connected(1, count) as alone, connected(2, count) as two:
        idle = measure_idle((alone, two))
        print("    all of them free to run:")
        compare(alone, two, rounds, idle)
        if not can_hold():
            print("    held to a share of a core: not measured, it needs cgroups (v1) to write to")
            return
        with held_to(SHARE, [*alone.workers, *two.workers]):
            print(f"    each worker held to {SHARE:.0%} of a core:")
            for side in (alone, two):
                side.forget(LONG_ASLEEP)
            compare(alone, two, rounds, idle)


def compare(alone: Side, two: Side, rounds: int, idle: Idle) -> None:
    """In turn, so that both have the same machine."""
    for _ in range(rounds):
        for side in (alone, two):
            side.send(idle)
    for side in (alone, two):
        side.tell()
    print(f"        two workers against one, until the last frame: x {ratio(alone.lasts, two.lasts)}")
    calm = lower_quartile(alone.lasts) / lower_quartile(two.lasts)
    print(f"        the same of the quickest quarters, disturbed least by others: x {calm:.2f}")
    print(f"        by the busiest worker's CPU alone: x {ratio(alone.busiest, two.busiest)}")


def ratio(alone: Sequence[float], two: Sequence[float]) -> str:
    """Of each pair of rounds: median and range."""
    return spread([one / other for one, other in zip(alone, two, strict=True)])


def lower_quartile(numbers: Sequence[float]) -> float:
    """A quarter of them is less."""
    return statistics.quantiles(numbers, n=4)[0]


def durable_sends(count: int, rounds: int) -> None:
    """Part 2."""
    print(f"2. durable sends a second, {CALLERS} callers")
    places: tuple[tuple[str, AbstractContextManager[Gateway]], ...] = (
        ("SQLite", gateway()),
        ("PostgreSQL, 1 worker", shared_gateway(1)),
        ("PostgreSQL, 2 workers", shared_gateway(2)),
    )
    for name, place in places:
        with place as one:
            one.register(1000)
            rates = [rate_of(one, count) for _ in range(rounds + 1)][1:]
            print(f"    {name}: {spread(rates, 0)}/s")


def rate_of(one: Gateway, count: int) -> float:
    """Sends a second until answered."""
    answers = Callers(one.port, CALLERS, some_requests(one, range(1000), count), count).wait_for_all()
    one.await_dispatched()
    return count / answers.seconds


def hand_overs(count: int) -> None:
    """Part 3."""
    print(f"3. a send to one device, {count} in turn: from the POST to the frame in the kernel")
    for bus in (True, False):
        with shared_gateway(2, bus) as one:
            compare_places(one, count, "over Redis" if bus else "through the database")


def compare_places(one: SharedGateway, count: int, way: str) -> None:
    """The dispatching worker's own device against one of the other worker."""
    with Devices() as devices:
        devices.connect(one, one.register(400))
        time.sleep(SETTLED)
        one.send(audiences=["nobody"])
        owner = one.rows("SELECT w.pid FROM lane l JOIN worker w ON w.key = l.worker")[0][0]
        for name, held in sorted(one.held_by().items(), key=lambda item: item[0] != owner):
            place = "own socket" if name == owner else f"at the other worker, {way}"
            cpu, base, bus = one.cpu(), cpu_of_all("postgres"), cpu_of_all("redis-server")
            times = [time_of(one, devices, held[0]) * 1000 for _ in range(count)]
            used = [now - then for now, then in ((one.cpu(), cpu), (cpu_of_all("postgres"), base))]
            used.append(cpu_of_all("redis-server") - bus)
            workers, database, redis = (value / count * 1e6 for value in used)
            print(
                f"    {place}: {spread(times, 1)} ms; CPU: workers {workers:.0f} us,"
                f" PostgreSQL {database:.0f} us, Redis {redis:.0f} us"
            )


def time_of(one: Gateway, devices: Devices, number: int) -> float:
    """Seconds from a POST to the frame of one device."""
    devices.write("expect 0 1 10")
    one.send(audiences=[f"user{number}"])
    words = devices.read()
    if words[1] != "1":
        raise SystemExit("the frame did not come")
    return float(words[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sends", type=int, default=200)
    options = parser.parse_args()
    if obstacle := find_obstacle():
        print(f"(i) several workers: not measured: {obstacle}")
        return
    random.seed(1)
    print("(i) several workers")
    broadcasts(options.connections, options.rounds)
    durable_sends(3000, 3)
    hand_overs(options.sends)


if __name__ == "__main__":
    main()
