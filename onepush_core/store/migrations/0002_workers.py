"""Several workers on one database: who is alive, who works for which app, who holds which device's socket."""

from typing import Any

LEASED = 1 << 62
"""A bit of ``asked`` that said "somebody works on it"; now ``holder`` says who."""

TABLES = (
    # holder: the worker that works on this delivery until ``due``.
    "ALTER TABLE delivery ADD COLUMN holder BIGINT",
    f"UPDATE delivery SET asked = asked - {LEASED} WHERE asked >= {LEASED}",
    "CREATE INDEX delivery_holder ON delivery(holder) WHERE holder IS NOT NULL",
    """CREATE TABLE worker (
        key {serial}, host TEXT NOT NULL, pid BIGINT NOT NULL, started_at BIGINT NOT NULL,
        until BIGINT NOT NULL)""",
    "CREATE TABLE lane (app BIGINT PRIMARY KEY, worker BIGINT NOT NULL)",
    "CREATE INDEX lane_worker ON lane(worker)",
    # former…: who held the device's socket before, and has to let it go.
    """CREATE TABLE presence (
        device BIGINT PRIMARY KEY, worker BIGINT NOT NULL, connection BIGINT NOT NULL,
        former_worker BIGINT, former_connection BIGINT)""",
    "CREATE INDEX presence_worker ON presence(worker)",
    "CREATE TABLE mail (key {serial}, worker BIGINT NOT NULL, payload {bytes} NOT NULL)",
    "CREATE INDEX mail_worker ON mail(worker, key)",
)
SQLITE = {"serial": "INTEGER PRIMARY KEY AUTOINCREMENT", "bytes": "BLOB"}
POSTGRES = {"serial": "BIGSERIAL PRIMARY KEY", "bytes": "BYTEA"}


def up(migrator: Any, db: Any) -> None:
    """Create everything."""
    words = SQLITE if type(db).__name__.startswith("Sqlite") else POSTGRES
    for statement in TABLES:
        db.execute_sql(statement.format(**words))
