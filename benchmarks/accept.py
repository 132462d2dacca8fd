"""(b) Durable sends per second with 64 callers, against the same Falcon app without a database.

In turn and in mixed order. Counted are answers with 200: such a send is on disk. The devices are offline, so
that the work is accepting and dispatching, not sockets. Dispatching goes on beside accepting; "until
dispatched" counts until all of it is done and recorded.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from common import WITHOUT_STORE, Gateway, gateway, median, spread
from load import Callers, post_send

CALLERS = 64
REGISTERED = 10_000
BASELINE = "without database"
AUDIENCES = ("one alias with one device", f"aliases spread over {REGISTERED:,} devices")


class Rates(NamedTuple):
    """Sends a second until answered, and until dispatched; p99 of the answers in seconds."""

    accepted: float
    dispatched: float
    p99: float


def some_requests(one: Gateway, aliases: Sequence[int], count: int) -> list[bytes]:
    """Sends, each to one of these aliases."""
    return [post_send(one, audiences=[f"user{random.choice(aliases)}"]) for _ in range(count)]


def run(one: Gateway, requests: Sequence[bytes]) -> Rates:
    """Send them all, then wait for the rest of the work."""
    answers = Callers(one.port, CALLERS, requests, len(requests)).wait_for_all()
    one.await_dispatched()
    until_dispatched = time.monotonic() - answers.start
    return Rates(len(requests) / answers.seconds, len(requests) / until_dispatched, answers.p99)


def run_baseline(one: Gateway, requests: Sequence[bytes]) -> Rates:
    """Send them all."""
    answers = Callers(one.port, CALLERS, requests, len(requests)).wait_for_all()
    return Rates(len(requests) / answers.seconds, 0, answers.p99)


def measure(one: Gateway, bare: Gateway, rounds: int, count: int) -> dict[str, list[Rates]]:
    """Each of the three in every round; the first round warms up and does not count."""
    found: dict[str, list[Rates]] = defaultdict(list)
    for number in range(rounds + 1):
        audiences = dict(zip(AUDIENCES, ([number], range(REGISTERED)), strict=True))
        for name in random.sample([BASELINE, *AUDIENCES], 3):
            if name == BASELINE:
                rates = run_baseline(bare, some_requests(bare, range(REGISTERED), count))
            else:
                rates = run(one, some_requests(one, audiences[name], count))
            if number:
                found[name].append(rates)
    return found


def report(found: dict[str, list[Rates]]) -> None:
    """Print medians and ranges, and the ratios within each round."""
    print(f"(b) durable sends per second, {CALLERS} callers, in turn")
    limit = [rates.accepted for rates in found[BASELINE]]
    for name in (BASELINE, *AUDIENCES):
        accepted = [rates.accepted for rates in found[name]]
        p99 = median([rates.p99 for rates in found[name]]) * 1000
        print(f"    {name}: {spread(accepted, 0)}/s, answers p99 {p99:.0f} ms")
        if name == BASELINE:
            continue
        print(f"        until dispatched: {spread([rates.dispatched for rates in found[name]], 0)}/s")
        print(f"        ratio: {spread([ours / most for ours, most in zip(accepted, limit, strict=True)])}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--database", metavar="URL", help="a PostgreSQL server, instead of a SQLite file")
    options = parser.parse_args()
    random.seed(1)
    with gateway(server=options.database) as one, gateway(WITHOUT_STORE) as bare:
        one.register(REGISTERED)
        report(measure(one, bare, options.rounds, options.requests))


if __name__ == "__main__":
    main()
