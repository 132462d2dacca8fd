"""(f) What a delivery costs as audiences and registries grow: CPU time of the worker, and time on the clock.

1. A send to ALL with 1,000, 3,000 and 10,000 registered devices, all connected: per frame.
2. A send to ALL with 10,000, 100,000 and 1,000,000 registered devices, 1,000 connected: per ledger row.
3. A send to 1,000 aliases with a connected device each, in the smallest and the largest registry: per frame.

Each size has a gateway of its own; they are up at once and take turns in mixed order. The clock stops at the
last byte at the last device (1, 3) or when all is recorded (2); CPU time counts until all is recorded.
"without the send" leaves out what a send to nobody costs: it is paid once, and weighs most on the smallest
audience.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from common import Gateway, gateway, median, spread
from load import Devices

CONNECTED = (1000, 3000, 10_000)
REGISTERED = (10_000, 100_000, 1_000_000)
SOME = 1000
FLAT = 1.15


class Cost(NamedTuple):
    """Seconds of one send, or of one of its deliveries."""

    cpu: float
    wall: float

    def per(self, number: int) -> Cost:
        """The share of one of so many."""
        return Cost(self.cpu / number, self.wall / number)


class Site(NamedTuple):
    """A gateway with so many registered devices; the connected ones are spread evenly over them."""

    one: Gateway
    devices: Devices
    size: int
    aliases: list[str]


Action = Callable[[Site], Cost]
Costs = dict[int, list[Cost]]


@contextmanager
def site(size: int, connected: int) -> Iterator[Site]:
    """Up, registered, connected, and past the reading of backlogs."""
    with gateway() as one, Devices() as devices:
        step = size // connected
        devices.connect(one, one.register(size)[::step])
        found = Site(one, devices, size, [f"user{number}" for number in range(0, size, step)])
        devices.expect(1)
        for start in range(0, connected, SOME):
            one.send(audiences=found.aliases[start : start + SOME])
        devices.arrived()
        yield found


def send_to_nobody(place: Site) -> Cost:
    """What every send costs."""
    cpu, start = place.one.cpu(), time.monotonic()
    place.one.send(audiences=["nobody"])
    wall = time.monotonic() - start
    place.one.await_dispatched()
    return Cost(place.one.cpu() - cpu, wall)


def send_to_connected(place: Site, length: int, audiences: list[str]) -> Cost:
    """Each connected device gets the frame."""
    cpu = place.one.cpu()
    place.devices.expect(length)
    place.one.send(audiences=audiences)
    wall = place.devices.arrived().last
    place.one.await_dispatched()
    return Cost(place.one.cpu() - cpu, wall).per(place.devices.count)


def send_to_registered(place: Site) -> Cost:
    """Each registered device gets a row in the ledger; afterwards nothing stays pending."""
    cpu, start = place.one.cpu(), time.monotonic()
    request_id = place.one.send()
    place.one.await_dispatched(poll=place.size / 2e7)
    cost = Cost(place.one.cpu() - cpu, time.monotonic() - start)
    place.one.cancel(request_id)
    return cost.per(place.size)


def measure(places: list[Site], action: Action, turns: Callable[[Site], int]) -> Costs:
    """So many turns of each, in mixed order."""
    order = [place for place in places for _ in range(turns(place))]
    costs: Costs = {place.size: [] for place in places}
    for place in random.sample(order, len(order)):
        costs[place.size].append(action(place))
    return costs


def report(title: str, costs: Costs, once: Costs | None = None) -> None:
    """Print the cost for each size, and how it grows from the smallest to the largest."""
    print(f"    {title}, microseconds each")
    for size, found in costs.items():
        cpu, wall = [cost.cpu * 1e6 for cost in found], [cost.wall * 1e6 for cost in found]
        print(f"        {size:9,}: CPU {spread(cpu)}, clock {spread(wall)}")
    print(f"        from smallest to largest: {growth(costs)}")
    if once:
        net = {size: [less(cost, once[size], size) for cost in found] for size, found in costs.items()}
        print(f"        without the send: {growth(net)}")


def less(cost: Cost, once: list[Cost], size: int) -> Cost:
    """The cost of a delivery without its share of the send."""
    cpu, wall = median([one.cpu for one in once]), median([one.wall for one in once])
    return Cost(cost.cpu - cpu / size, cost.wall - wall / size)


def growth(costs: Costs) -> str:
    """The largest size's medians over the smallest's."""
    smallest, largest = costs[min(costs)], costs[max(costs)]
    cpu = median([cost.cpu for cost in largest]) / median([cost.cpu for cost in smallest])
    wall = median([cost.wall for cost in largest]) / median([cost.wall for cost in smallest])
    verdict = "flat" if max(cpu, wall) <= FLAT else "not flat"
    return f"CPU x {cpu:.2f}, clock x {wall:.2f} ({verdict} within {FLAT - 1:.0%})"


def grow_audience(rounds: int) -> int:
    """Part 1; the length of a frame."""
    with ExitStack() as stack:
        places = [stack.enter_context(site(size, size)) for size in CONNECTED]
        length = places[0].devices.frame_length(places[0].one)
        once = measure(places, send_to_nobody, lambda _: rounds)
        costs = measure(places, lambda place: send_to_connected(place, length, ["ALL"]), lambda _: rounds)
    report("1. a frame, all registered devices connected", costs, once)
    return length


def grow_registry(rounds: int, large_rounds: int, length: int) -> None:
    """Parts 2 and 3."""
    with ExitStack() as stack:
        places = [stack.enter_context(site(size, SOME)) for size in REGISTERED]
        ends = [places[0], places[-1]]
        named = measure(ends, lambda place: send_to_connected(place, length, place.aliases), lambda _: rounds)
        rows = measure(places, send_to_registered, lambda place: rounds if place.size < 1e6 else large_rounds)
    report(f"2. a ledger row, {SOME:,} of the registered devices connected", rows)
    report(f"3. a frame to one of {SOME:,} aliases", named)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--large-rounds", type=int, default=3)
    options = parser.parse_args()
    random.seed(1)
    print("(f) cost per delivery")
    length = grow_audience(options.rounds)
    grow_registry(options.rounds, options.large_rounds, length)


if __name__ == "__main__":
    main()
