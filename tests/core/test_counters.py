"""Counters of messages: written once at the end of a batch, in an order that is the same for all workers."""

from __future__ import annotations

from onepush_core.store import counters


class Writes:
    """A transaction that notes the rows in the order in which it is to write them."""

    def __init__(self):
        self.notes = {}
        self.messages = []

    def before_commit(self, write):
        pass

    def execute_many(self, _statement, rows):
        self.messages += [row[-1] for row in rows]


def test_counters_are_written_in_the_order_of_the_messages():
    """Whatever is counted of each: two workers that write the same rows never wait in a circle."""
    writes = Writes()
    counters.count(writes, 1, 1_000, confirmed=1)
    counters.grow(writes, 2, 1)
    counters.advance(writes, 3, 1_000, 1, None, dispatched=True)
    counters.grow(writes, 4, 1)
    counters.write_counted(writes)
    assert writes.messages == [1, 2, 3, 4]
