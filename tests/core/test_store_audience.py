"""How audiences are read: never more of the app than is asked for."""

from __future__ import annotations

import pytest

from inside_gateway import running
from onepush_core.objects import App, Message
from onepush_core.store import audience

NAMES = [f"name{number}" for number in range(100)]
MESSAGE = Message(key=1, id="", app=App(1, "", ""), alert="", accepted_at=0, expires_at=0)


class Explaining:
    """A Transaction that tells which index each statement searches."""

    def __init__(self, transaction):
        self.steps = []
        self._transaction = transaction

    def rows(self, statement, parameters=()):
        """Explain, then read."""
        plan = self._transaction.rows(f"EXPLAIN QUERY PLAN {statement}", parameters)
        self.steps += [step[3] for step in plan]
        return self._transaction.rows(statement, parameters)

    def row(self, statement, parameters=()):
        """The first of the rows."""
        return self.rows(statement, parameters)[0]

    def __getattr__(self, name):
        return getattr(self._transaction, name)


def read_ids(transaction):
    """A page of a send to devices."""
    audience.read_page(transaction, MESSAGE, audience.with_ids(1, NAMES), 0, 10)


def read_aliases(transaction):
    """A page of a send to aliases."""
    audience.read_page(transaction, MESSAGE, audience.with_aliases(1, NAMES), 0, 10)


def read_named(transaction):
    """A page of ids that a plugin gave."""
    audience.read_named(transaction, MESSAGE, NAMES)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("read", "condition"), [(read_ids, "(id=?"), (read_named, "(id=?"), (read_aliases, "alias=?")]
)
def test_reading_named_devices_looks_names_up(tmp_path, read, condition):
    """A hundred names are looked up in their index; the other devices of the app are not touched."""
    steps = []

    def job(transaction):
        explaining = Explaining(transaction)
        read(explaining)
        steps.extend(explaining.steps)

    with running(tmp_path) as gateway:
        gateway.read(job)
    assert any(condition in step for step in steps)
    assert not any("(app=?)" in step or "device_app" in step for step in steps)
