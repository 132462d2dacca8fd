"""More of the characters that people write between the digits of a number: dots, slashes, other spaces."""

from functools import reduce
from typing import Any

SEPARATORS = " -()./\u00a0\u2011\u2013"
BARE_MOBILE = reduce(lambda text, one: f"replace({text}, '{one}', '')", SEPARATORS, "mobile")


def up(migrator: Any, db: Any) -> None:
    """Make the index over the numbers anew."""
    db.execute_sql("DROP INDEX sms_device_mobile")
    db.execute_sql(f"CREATE INDEX sms_device_mobile ON device(app, {BARE_MOBILE}) WHERE mobile IS NOT NULL")
