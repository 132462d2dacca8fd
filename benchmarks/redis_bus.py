"""The bus over Redis: what a payload, a device and a look-up cost, in time here and there, and in memory.

A redis-server of its own has core 0 to itself; two workers in this process share core 1, so what is
counted here is both the sender's and the receiver's part.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse
import os
import random
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager

import gevent
import redis
from common import CLIENT_CPU, SERVER_CPU, cpu_of, free_port, pinned, spread

from onepush_redis import create
from onepush_redis.names import Names

FAR = 1 << 45
PAGE = 1000
REGISTRY = 1_000_000
"""Device keys go up to this."""


class Server:
    """A Redis for this run, and a client of our own."""

    def __init__(self, folder: str) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            raise SystemExit("neither redis-server nor valkey-server is installed")
        self.port = free_port()
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        self.process = subprocess.Popen(pinned(SERVER_CPU, *command), stdout=subprocess.DEVNULL)
        self.client = redis.Redis(port=self.port)
        wait(self.answers)

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    def memory(self) -> int:
        return int(self.client.info("memory")["used_memory"])

    def stop(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()


def wait(ready, patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit("the bus does not come through")
        gevent.sleep(0.001)


class Meter:
    """Seconds on the clock, of this process's CPU and of the server's, since it was made."""

    def __init__(self, server: Server) -> None:
        self._server = server.process.pid
        self._began = self._read()

    def _read(self) -> tuple[float, float, float]:
        return time.perf_counter(), time.process_time(), cpu_of(self._server)

    def micros(self, number: int) -> list[float]:
        """Microseconds for each of so many things: clock, CPU here, CPU of the server."""
        return [(now - then) / number * 1e6 for now, then in zip(self._read(), self._began, strict=True)]


def report(name: str, rounds: list[list[float]]) -> None:
    clock, here, there = (spread(column, 2) for column in zip(*rounds, strict=True))
    print(f"    {name}: {clock} µs; CPU {here} µs here, {there} µs of the server")


@contextmanager
def buses(server: Server):
    """Workers 1 and 2; what comes to the second is counted."""
    received = [0]

    def count(payload: bytes) -> None:
        received[0] += 1

    made = [create({"queue_messages": 100_000, "queue_bytes": 1 << 26}) for _ in range(2)]
    one, two = (plugin.open_bus(f"redis://127.0.0.1:{server.port}", time.monotonic) for plugin in made)
    one.start(1, len)
    two.start(2, count)
    wait(lambda: one.holders([1]) is not None and two.holders([1]) is not None)
    try:
        yield one, two, received
    finally:
        one.close()
        two.close()


def measure_payloads(server: Server, number: int, rounds: int) -> None:
    """Bursts from one worker to the other, and single ones there and back."""
    with buses(server) as (one, _, received):
        for size in (100, 2000):
            found = []
            for _ in range(rounds):
                received[0], meter = 0, Meter(server)
                for count in range(number):
                    one.publish(2, bytes(size))
                    if count % 50 == 49:
                        gevent.sleep(0)
                wait(lambda: received[0] == number)
                found.append(meter.micros(number))
            report(f"a payload of {size} bytes, in bursts", found)
        trips = []
        for _ in range(500):
            began = time.perf_counter()
            one.probe()
            trips.append((time.perf_counter() - began) * 1000)
            gevent.sleep(0.002)
        trips.sort()
        print(f"    to the server and back: median {trips[250]:.2f} ms, p99 {trips[495]:.2f} ms")


def measure_devices(server: Server, devices: int, socket_count: int, rounds: int) -> None:
    """Devices held, the memory they take, and writing those of one worker anew; then look-ups."""
    dice = random.Random(1)
    with buses(server) as (one, two, _):
        before, meter = server.memory(), Meter(server)
        keys = dice.sample(range(1, REGISTRY + 1), devices)
        for number, key in enumerate(keys):
            one.hold(key, 1)
            if number % 200 == 199:
                gevent.sleep(0)
        wait(lambda: not one._holdings.unwritten)
        report("a device held", [meter.micros(devices)])
        print(f"    memory: {(server.memory() - before) / devices:.0f} bytes a device, {devices:,} held")
        for key in range(1, socket_count + 1):
            two.hold(REGISTRY + key, 1)
        wait(lambda: not two._holdings.unwritten)
        again = [write_anew(server, two, socket_count) for _ in range(rounds)]
        report(f"a device of {socket_count:,} written anew", again)
        wait(lambda: two.holders([1]) is not None)
        measure_look_ups(server, two, dice, rounds)


def write_anew(server: Server, bus, devices: int) -> list[float]:
    """Worker 2 falls out of the register, notices with its next write, and writes everything."""
    server.client.hdel(Names("onepush", 0).workers, 2)
    meter, told = Meter(server), []
    bus.hold(REGISTRY + devices, time.monotonic_ns(), lambda: told.append(True))
    wait(lambda: told and not bus._holdings.unwritten)
    return meter.micros(devices)


def measure_look_ups(server: Server, bus, dice: random.Random, rounds: int) -> None:
    names = Names("onepush", 0)
    table = server.client.hget(names.devices, "table").decode()
    run = server.client.info("server")["run_id"]
    for workers in (2, 64):
        others = range(101, 99 + workers)
        if others:
            marker = f"1:1:{FAR}:{run}:{table}"
            server.client.hset(names.workers, mapping=dict.fromkeys(others, marker))
        for name, page in (
            ("in a row", list(range(5000, 5000 + PAGE))),
            ("at random", sorted(dice.sample(range(1, REGISTRY + 1), PAGE))),
        ):
            found = []
            for _ in range(rounds):
                meter = Meter(server)
                for _ in range(100):
                    assert bus.holders(page) is not None
                found.append(meter.micros(100))
            report(f"a look-up of {PAGE:,} devices {name}, {workers} workers", found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--payloads", type=int, default=20_000)
    parser.add_argument("--devices", type=int, default=200_000)
    parser.add_argument("--sockets", type=int, default=15_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CPU})
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder)
        try:
            version = server.client.info("server")["redis_version"]
            print(f"redis bus: server {version}, load {os.getloadavg()[0]:.2f}; medians and [ranges]")
            measure_payloads(server, options.payloads, options.rounds)
            server.client.flushall()
            measure_devices(server, options.devices, options.sockets, options.rounds)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
