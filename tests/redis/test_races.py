"""Several processes hold and let go the same devices at once; hints that are lost and repeated."""

import json
import random
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

import gevent
import pytest

from harness.plugins import onepush_lossy
from harness.waiting import eventually

RACER = Path(__file__).parent / "racer.py"
DEVICES = 30


@pytest.fixture
def race(server):
    """Run three processes until each has settled; what each holds, since when."""
    prefix, started = f"test-{uuid.uuid4().hex}", []

    def run():
        for worker in (1, 2, 3):
            command = [sys.executable, str(RACER), server.url, prefix, str(worker), str(DEVICES), str(worker)]
            started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        found = [json.loads(process.stdout.readline()) for process in started]
        return prefix, {
            worker: {int(device): moment for device, moment in held.items()}
            for worker, held in enumerate(found, 1)
        }

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_processes_race_for_devices(race, server, start_worker):
    """In the end each device is found where it is held last, and nowhere when nobody holds it."""
    prefix, held = race()
    onlooker = start_worker(4, server.url, prefix=prefix)
    onlooker.bus.expect([1, 2, 3, 4])
    devices = list(range(1, DEVICES + 1))
    found = eventually(lambda: onlooker.bus.holders(devices))
    assert set(found) == set().union(*held.values())
    for device, worker in found.items():
        newest = max(moments[device] for moments in held.values() if device in moments)
        # Clocks are read a moment apart; whoever came a few milliseconds earlier may be taken for the newest.
        assert held[worker][device] > newest - 0.02


def test_greenlets_race_for_a_device(start_worker):
    """Many sockets of one device open and close at once: the newest of them decides."""
    one, two = start_worker(1), start_worker(2)
    dice = random.Random(7)

    def connect(number):
        one.bus.hold(10, number)
        gevent.sleep(dice.random() / 50)
        if number != 200:
            one.bus.let_go(10, number)

    gevent.joinall([gevent.spawn(connect, number) for number in range(1, 201)])
    one.await_settled()
    assert two.bus.holders([10]) == {10: 1}
    one.bus.let_go(10, 200)
    one.await_settled()
    assert two.bus.holders([10]) == {}


def test_lossy_bus_loses_and_repeats(start_worker):
    """The double that other tests use: a third is lost, a third comes twice, in order."""
    # A link that is late by its timeout is given up, with all that is on its way.
    one, two = (start_worker(number, timeout=10.0) for number in (1, 2))
    lossy = onepush_lossy.LossyBus(one.bus, random.Random(3))
    for number in range(1000):
        assert lossy.publish(2, b"%04d" % number)
    wanted = 1000 - lossy.lost + lossy.repeated
    eventually(lambda: len(two.received) == wanted)
    assert 250 < lossy.lost < 350
    assert 250 < lossy.repeated < 350
    assert two.received == sorted(two.received)
    assert max(Counter(two.received).values()) == 2
    lossy.hold(10, 1)
    two.await_holders({10: 1})


def test_lossy_bus_is_a_plugin(shared_url):
    """A gateway of the tests gets it with ``--bus lossy+redis://…``."""
    plugin = onepush_lossy.create({})
    bus = plugin.open_bus(f"lossy+{shared_url}", time.monotonic)
    assert plugin.bus_schemes == ("lossy+redis",)
    assert isinstance(bus, onepush_lossy.LossyBus)
    assert bus.holders([1]) is None
    bus.close()
