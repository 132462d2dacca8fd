"""Jobs on the store that no single commit should hold."""

import pytest

from onepush_tags import store
from tests.tags.memory import Registered, add_device, empty_store

pytestmark = pytest.mark.store
PLAIN = Registered(1, "ANDROID", None, True, frozenset())


class CountingGateway:
    """Runs jobs on one transaction, and remembers what each write answered."""

    def __init__(self, transaction):
        self.writes = []
        self.before_write = lambda: None
        self._transaction = transaction

    def read(self, job):
        """Run a job at once."""
        return job(self._transaction)

    def write(self, job):
        """The same, remembered; other writes may have come first."""
        self.before_write()
        self.writes.append(job(self._transaction))
        return self.writes[-1]


def test_bulk_tags_devices_in_small_commits(monkeypatch):
    """An alias of many devices is tagged page by page, and the answer counts all of them."""
    monkeypatch.setattr(store, "PAGE", 2)
    with empty_store() as transaction:
        add_device(transaction, 1, PLAIN._replace(tags=frozenset({"vip"})))
        add_device(transaction, 2, PLAIN._replace(active=False))
        add_device(transaction, 3, PLAIN._replace(app=2))
        for key in range(4, 8):
            add_device(transaction, key, PLAIN)
        gateway = CountingGateway(transaction)
        done = store.tag_members(gateway, 1, "vip", "alias", ["ann"])
        tagged = transaction.rows("SELECT device FROM device_tag WHERE tag = 'vip' ORDER BY device")
    assert done == (5, 4, 0)
    assert tagged == [(1,), (4,), (5,), (6,), (7,)]
    assert [write.matched for write in gateway.writes] == [1, 2, 2]


def test_bulk_leaves_device_that_changed_hands():
    """A device that another person registers just before the commit is not tagged."""
    with empty_store() as transaction:
        for key in (1, 2):
            add_device(transaction, key, PLAIN)
        gateway = CountingGateway(transaction)
        gateway.before_write = lambda: transaction.execute("UPDATE device SET alias = 'bob' WHERE key = 2")
        done = store.tag_members(gateway, 1, "vip", "alias", ["ann"])
        tagged = transaction.rows("SELECT device FROM device_tag")
    assert (done, tagged) == ((1, 1, 0), [(1,)])
