"""From a plan to SQL. Pure; every value is bound, the statements are put together from constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onepush_core import KeyQuery
from onepush_tags.expression import AllOf, Expression, Has
from onepush_tags.plan import Arm

NOBODY = KeyQuery("SELECT key FROM device WHERE 1 = 0", ())
OF_TAG = "SELECT device FROM device_tag WHERE app = ? AND tag = ?"
OF_APP = "SELECT key FROM device WHERE app = ? AND active = 1"
CARRIES = "SELECT 1 FROM device_tag t WHERE t.app = ? AND t.tag = ?"
Fragment = tuple[str, list[Any]]


def to_query(app: int, arms: Sequence[Arm]) -> KeyQuery:
    """The device keys of all arms together."""
    if not arms:
        return NOBODY
    first, *others = [_arm_query(app, arm) for arm in arms]
    return first._replace(others=tuple(others))


def _arm_query(app: int, arm: Arm) -> KeyQuery:
    if arm.tag is None:
        query, subject = KeyQuery(OF_APP, [app], "key"), "device.key"
    else:
        query, subject = KeyQuery(OF_TAG, [app, arm.tag], "device"), "device_tag.device"
    if arm.condition is None:
        return query
    condition, values = _condition(app, arm.condition, subject)
    return query._replace(
        statement=f"{query.statement} AND {condition}", parameters=[*query.parameters, *values]
    )


def _condition(app: int, expression: Expression, subject: str) -> Fragment:
    """An expression as a condition on the device whose key is in the column ``subject``."""
    if isinstance(expression, Has):
        test = "EXISTS" if expression.wanted else "NOT EXISTS"
        return f"{test} ({CARRIES} AND t.device = {subject})", [app, expression.tag]
    fragments = [_condition(app, part, subject) for part in expression.parts]
    word = " AND " if isinstance(expression, AllOf) else " OR "
    joined = word.join(condition for condition, _ in fragments)
    return f"({joined})", [value for _, values in fragments for value in values]
