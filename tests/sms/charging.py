"""Another process that charges a budget: ``python -m tests.sms.charging URL LIMIT TIMES``.

Begins when it reads a line, and prints how many of its charges were taken.
"""

from gevent import monkey

monkey.patch_all()

import sys

import gevent

from onepush_core.settings import StoreSettings
from onepush_core.store.database import open_database, open_engine
from onepush_sms.budgets import Counter, charge


def main(url, limit, times):
    engine = open_engine(open_database(url), StoreSettings(database=url))
    counted = [Counter("", "day", limit, "daily budget")]
    sys.stdin.readline()
    calls = [
        gevent.spawn(engine.write, lambda transaction: charge(transaction, 1, counted, 1, 0))
        for _ in range(times)
    ]
    print(sum(call.get() is None for call in calls), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
