"""The first schema: one row for each SMS that was decided on, and what the budgets have used."""

from typing import Any

TABLES = (
    # Numbers and aliases stand here as digests only. One SMS per person and message: both are unique.
    """CREATE TABLE sms (
        key {serial}, app BIGINT NOT NULL, message BIGINT NOT NULL, number TEXT NOT NULL,
        alias TEXT NOT NULL, devices TEXT NOT NULL, state SMALLINT NOT NULL, segments INTEGER NOT NULL,
        attempts INTEGER NOT NULL, called_at BIGINT NOT NULL, due BIGINT, provider TEXT NOT NULL,
        reference TEXT, reason TEXT, report TEXT)""",
    "CREATE UNIQUE INDEX sms_number ON sms(message, number)",
    "CREATE UNIQUE INDEX sms_alias ON sms(message, alias)",
    "CREATE INDEX sms_reference ON sms(provider, reference) WHERE reference IS NOT NULL",
    """CREATE TABLE sms_budget (
        app BIGINT NOT NULL, subject TEXT NOT NULL, period TEXT NOT NULL, used BIGINT NOT NULL,
        ends_at BIGINT NOT NULL, PRIMARY KEY (app, subject, period)) {clustered}""",
    "CREATE INDEX sms_budget_ends_at ON sms_budget(ends_at)",
    # A number counts whatever the alias, and however the device spells it.
    """CREATE INDEX sms_device_mobile ON device(app,
        replace(replace(replace(replace(mobile, ' ', ''), '-', ''), '(', ''), ')', ''))
        WHERE mobile IS NOT NULL""",
)
SQLITE = {"serial": "INTEGER PRIMARY KEY AUTOINCREMENT", "clustered": "WITHOUT ROWID"}
POSTGRES = {"serial": "BIGSERIAL PRIMARY KEY", "clustered": ""}


def up(migrator: Any, db: Any) -> None:
    """Create everything."""
    if type(db).__name__.startswith("Sqlite"):
        statements = [statement.format(**SQLITE) for statement in TABLES]
    else:
        statements = [
            statement.format(**POSTGRES).replace(" TEXT", ' TEXT COLLATE "C"') for statement in TABLES
        ]
    for statement in statements:
        db.execute_sql(statement)
