"""A process of its own that holds and lets go at random. ``python racer.py URL PREFIX WORKER DEVICES SEED``.

At the end it prints what it holds, since when, and stays alive for a minute.
"""

from gevent import monkey

monkey.patch_all()

import json
import random
import sys
import time

import gevent

from onepush_redis.address import read_address
from onepush_redis.metrics import Metrics
from onepush_redis.redis_bus import RedisBus
from onepush_redis.settings import Settings

STEPS = 400


def race(bus, worker, devices, dice):
    """Open and close sockets, with late ends of older ones; what is held, by which connection since when."""
    held, number = {}, 0
    for _ in range(STEPS):
        device = dice.randrange(1, devices + 1)
        if device in held and dice.random() < 0.5:
            bus.let_go(device, held.pop(device)[0])
        else:
            number += 1
            bus.hold(device, number)
            bus.let_go(device, held.get(device, (0,))[0])
            held[device] = number, time.time()
        gevent.sleep(dice.random() / 200)
    return held


def main():
    url, prefix, worker, devices, seed = sys.argv[1:]
    table = Settings(prefix=prefix, heartbeat=0.2)
    bus = RedisBus(read_address(url, table), table, time.monotonic, Metrics())
    bus.start(int(worker), len)
    held = race(bus, int(worker), int(devices), random.Random(int(seed)))
    while bus._holdings.unwritten or not bus._standing.complete:
        gevent.sleep(0.01)
    print(json.dumps({device: moment for device, (_, moment) in held.items()}), flush=True)
    gevent.sleep(60)


if __name__ == "__main__":
    main()
