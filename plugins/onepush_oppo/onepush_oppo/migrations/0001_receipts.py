"""Receipts that were taken in, so that a repetition changes nothing."""

from typing import Any

TABLES = (
    """CREATE TABLE oppo_receipt (
        message BIGINT NOT NULL, event TEXT NOT NULL, device BIGINT NOT NULL, at BIGINT NOT NULL,
        PRIMARY KEY (message, event, device)) {clustered}""",
    "CREATE INDEX oppo_receipt_at ON oppo_receipt(at)",
)
SQLITE = {"clustered": "WITHOUT ROWID"}
POSTGRES = {"clustered": ""}


def up(migrator: Any, db: Any) -> None:
    """Create the table."""
    if type(db).__name__.startswith("Sqlite"):
        statements = [statement.format(**SQLITE) for statement in TABLES]
    else:
        statements = [
            statement.format(**POSTGRES).replace(" TEXT", ' TEXT COLLATE "C"') for statement in TABLES
        ]
    for statement in statements:
        db.execute_sql(statement)
