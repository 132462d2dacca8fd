"""The first schema: apps, devices, messages, deliveries and what is said of them."""

from typing import Any

TABLES = (
    """CREATE TABLE app (
        key {serial}, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
        enabled SMALLINT NOT NULL DEFAULT 1, created_at BIGINT NOT NULL)""",
    """CREATE TABLE app_key (
        key {serial}, app BIGINT NOT NULL REFERENCES app(key), digest TEXT NOT NULL,
        created_at BIGINT NOT NULL)""",
    "CREATE INDEX app_key_app ON app_key(app)",
    """CREATE TABLE device (
        key {serial}, id TEXT NOT NULL UNIQUE, app BIGINT NOT NULL REFERENCES app(key),
        token TEXT NOT NULL, alias TEXT NOT NULL, platform TEXT NOT NULL, vendor TEXT, mobile TEXT,
        tenant TEXT, gone TEXT, active SMALLINT NOT NULL DEFAULT 1, since BIGINT NOT NULL,
        registered_at BIGINT NOT NULL)""",
    "CREATE UNIQUE INDEX device_token ON device(app, token)",
    "CREATE INDEX device_alias ON device(app, alias)",
    "CREATE INDEX device_app ON device(app, key) WHERE active = 1",
    """CREATE TABLE device_tag (
        app BIGINT NOT NULL, tag TEXT NOT NULL, device BIGINT NOT NULL,
        PRIMARY KEY (app, tag, device)) {clustered}""",
    "CREATE INDEX device_tag_device ON device_tag(device)",
    """CREATE TABLE message (
        key {serial}, id TEXT NOT NULL UNIQUE, app BIGINT NOT NULL REFERENCES app(key),
        accepted_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, finished_at BIGINT,
        state SMALLINT NOT NULL, cursor BIGINT NOT NULL DEFAULT 0,
        total BIGINT NOT NULL DEFAULT 0, confirmed BIGINT NOT NULL DEFAULT 0,
        handed_off BIGINT NOT NULL DEFAULT 0, expired BIGINT NOT NULL DEFAULT 0,
        cancelled BIGINT NOT NULL DEFAULT 0, dropped BIGINT NOT NULL DEFAULT 0,
        body TEXT NOT NULL)""",
    "CREATE INDEX message_dispatching ON message(app, key) WHERE state = 0",
    "CREATE INDEX message_open ON message(expires_at) WHERE finished_at IS NULL",
    "CREATE INDEX message_cancelled ON message(key) WHERE state = 3 AND finished_at IS NULL",
    "CREATE INDEX message_finished ON message(finished_at) WHERE finished_at IS NOT NULL",
    """CREATE TABLE delivery (
        message BIGINT NOT NULL, device BIGINT NOT NULL, state SMALLINT NOT NULL,
        attempts INTEGER NOT NULL, asked BIGINT NOT NULL, again BIGINT NOT NULL, due BIGINT,
        PRIMARY KEY (message, device)) {clustered}""",
    "CREATE INDEX delivery_pending ON delivery(device, message) WHERE state = 0",
    "CREATE INDEX delivery_due ON delivery(due) WHERE due IS NOT NULL",
    """CREATE TABLE transport (key {serial}, name TEXT NOT NULL UNIQUE)""",
    """CREATE TABLE message_transport (
        message BIGINT NOT NULL, transport TEXT NOT NULL, sent BIGINT NOT NULL DEFAULT 0,
        delivered BIGINT NOT NULL DEFAULT 0, failed BIGINT NOT NULL DEFAULT 0,
        gone BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (message, transport)) {clustered}""",
    """CREATE TABLE trail (
        key {serial}, message BIGINT NOT NULL, low BIGINT NOT NULL, high BIGINT NOT NULL,
        at BIGINT NOT NULL, transport TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT,
        devices {bytes})""",
    "CREATE INDEX trail_message ON trail(message, low, high)",
    """CREATE TABLE idempotency (
        app BIGINT NOT NULL, key TEXT NOT NULL, digest {bytes} NOT NULL, message TEXT NOT NULL,
        at BIGINT NOT NULL, PRIMARY KEY (app, key)) {clustered}""",
    "CREATE INDEX idempotency_at ON idempotency(at)",
    "CREATE TABLE probe (key INTEGER PRIMARY KEY, at BIGINT NOT NULL)",
    "INSERT INTO probe(key, at) VALUES (1, 0)",
)
# Which transactions a writer has committed: asked when a connection was lost in the middle of a commit.
ONLY_POSTGRES = ("CREATE TABLE batch (writer TEXT PRIMARY KEY, number BIGINT NOT NULL, at BIGINT NOT NULL)",)
SQLITE = {"serial": "INTEGER PRIMARY KEY AUTOINCREMENT", "clustered": "WITHOUT ROWID", "bytes": "BLOB"}
POSTGRES = {"serial": "BIGSERIAL PRIMARY KEY", "clustered": "", "bytes": "BYTEA"}


def up(migrator: Any, db: Any) -> None:
    """Create everything."""
    if type(db).__name__.startswith("Sqlite"):
        statements = [statement.format(**SQLITE) for statement in TABLES]
    else:
        # Text is compared byte by byte, as SQLite does; no upgrade of the system's locales harms an index.
        statements = [
            statement.format(**POSTGRES).replace(" TEXT", ' TEXT COLLATE "C"')
            for statement in (*TABLES, *ONLY_POSTGRES)
        ]
    for statement in statements:
        db.execute_sql(statement)
