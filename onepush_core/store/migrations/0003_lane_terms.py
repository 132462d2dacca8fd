"""Who has had an app's lane last, and how often it went from one worker to another."""

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """Two columns."""
    db.execute_sql("ALTER TABLE app ADD COLUMN lane_worker BIGINT")
    db.execute_sql("ALTER TABLE app ADD COLUMN lane_term BIGINT NOT NULL DEFAULT 0")
