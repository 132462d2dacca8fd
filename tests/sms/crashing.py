"""A gateway that kills itself at one point of an SMS: ``python -m tests.sms.crashing FOLDER POINT``.

What its provider has sent stands in FOLDER/sent, a line each.
"""

from gevent import monkey

monkey.patch_all()

import os
import signal
import sys
from pathlib import Path

import gevent

from tests.sms.doubles import NUMBER, Bench, FakeProvider


def die():
    """As kill -9 does, wherever this is called."""
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


class CrashingProvider(FakeProvider):
    """Counts segments when a send is checked, when it is decided on, and when it was accepted."""

    def __init__(self, folder, point):
        super().__init__()
        self.file = (folder / "sent").open("a")
        self.point = point
        self.counted = 0

    def count_segments(self, text):
        self.counted += 1
        if self.point == {2: "in_decision", 3: "after_answer"}.get(self.counted):
            die()
        return 1

    def send(self, sms):
        if self.point == "before_call":
            die()
        print(sms.number, file=self.file, flush=True)
        if self.point == "in_call":
            die()
        return super().send(sms)


def main(folder, point):
    bench = Bench(folder, {"delay": 0}, CrashingProvider(folder, point))
    record = bench.gateway.ledger.record

    def record_or_die(message, verdicts, *rest, **more):
        if point == "before_outcome" and any(one.transport == "sms" for one in verdicts):
            die()
        record(message, verdicts, *rest, **more)

    bench.gateway.ledger.record = record_or_die
    bench.register("ann", NUMBER)
    bench.register("ann", NUMBER)
    bench.send()
    gevent.sleep(30)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
