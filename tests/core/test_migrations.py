"""Numbered migrations: the core's own and those of plugins with tables."""

from __future__ import annotations

import pytest

from core_doubles import make_gateway
from harness.databases import database_url
from onepush_core.errors import ConfigurationError
from onepush_core.store.database import migrate, open_database

CREATE = '''"""A table."""


def up(migrator, db):
    db.execute_sql("CREATE TABLE parcel (key INTEGER PRIMARY KEY)")
'''


class Carrier:
    """A plugin with a table of its own."""

    def __init__(self, migrations):
        self.migrations = migrations


@pytest.fixture
def folder(tmp_path):
    """A plugin's folder of migrations, with one that makes a table."""
    made = tmp_path / "migrations"
    made.mkdir()
    (made / "0001_parcel.py").write_text(CREATE)
    return made


@pytest.fixture
def database(tmp_path):
    opened = open_database(database_url(tmp_path))
    yield opened
    opened.close()


def tables(database) -> set[str]:
    return set(database.get_tables())


def test_migrate_builds_a_fresh_database(database):
    """The first start makes every table of the core."""
    assert migrate(database) == ["0001_initial", "0002_workers", "0003_lane_terms"]
    assert {"app", "device", "message", "delivery", "trail", "migration_core"} <= tables(database)


def test_migrate_applies_each_migration_once(database):
    """The second start changes nothing."""
    migrate(database)
    assert migrate(database) == []


def test_migrate_applies_what_is_new(database, folder):
    """A newer version of a plugin brings one more file: only that is applied."""
    assert migrate(database, folder, "carrier") == ["0001_parcel"]
    (folder / "0002_box.py").write_text(CREATE.replace("parcel", "box"))
    assert migrate(database, folder, "carrier") == ["0002_box"]
    assert {"parcel", "box"} <= tables(database)


def test_migrate_reports_a_broken_migration(database, folder):
    """One line says so, and what was there before stays."""
    migrate(database)
    (folder / "0002_wrong.py").write_text(CREATE.replace("parcel (", "parcel ((("))
    with pytest.raises(ConfigurationError, match=r"^store\.database: migration failed: .+$"):
        migrate(database, folder, "carrier")
    assert {"app", "migration_core"} <= tables(database)


def test_migrate_runs_beside_another_start(database, tmp_path):
    """Two processes that start at once apply each migration once: the second waits for the lock."""
    import gevent

    other = open_database(database_url(tmp_path))
    try:
        starts = [gevent.spawn(migrate, one) for one in (database, other)]
        gevent.joinall(starts, timeout=10, raise_error=True)
        assert sorted(start.value for start in starts) == [
            [],
            ["0001_initial", "0002_workers", "0003_lane_terms"],
        ]
    finally:
        other.close()


def test_gateway_migrates_plugins_with_tables(tmp_path, folder):
    """A plugin's ``migrations`` run at the start, with a history of their own, and not again."""
    gateway = make_gateway(tmp_path, Carrier(folder))
    try:
        assert (
            gateway.write(lambda transaction: transaction.execute("INSERT INTO parcel VALUES (1)").rowcount)
            == 1
        )
        assert "migration_one" in tables(gateway.database)
        assert gateway.migrate() == []
    finally:
        gateway.stop()
        gateway.close()
