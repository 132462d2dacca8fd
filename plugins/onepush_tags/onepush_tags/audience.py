"""Selectors of the kinds TAG and TAG_EXPR, resolved to a query of device keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onepush_core import InvalidAudience, KeyQuery, Selector, Transaction
from onepush_tags.expression import Expression
from onepush_tags.grammar import parse
from onepush_tags.groups import parse_groups, read_list
from onepush_tags.plan import Arm, find_cover, has_choice, plan, wanted_tags
from onepush_tags.queries import to_query

Weights = dict[str, int]
Read = Callable[[Callable[[Transaction], Weights]], Weights]
BOUNDS = (1_000, 10_000, 100_000)
"""Tags are counted only this far, and further only while no cover is known to be smaller."""


def resolve(app: int, selector: Selector, read: Read) -> KeyQuery | None:
    """The query of the app's devices that a selector means; None if it is not of tags.

    Asks the store for the sizes of tags where it can choose between them.
    Raises InvalidAudience, StoreUnavailable.
    """
    if selector.kind == "TAG":
        return to_query(app, [Arm(tag, None) for tag in read_list(selector.values)])
    if selector.kind != "TAG_EXPR":
        return None
    expression = read_expression(selector.values)
    weights: Weights = {}
    if has_choice(expression):
        weights = read(lambda transaction: weigh(transaction, app, expression))
    return to_query(app, plan(expression, weights))


def read_expression(values: Sequence[str]) -> Expression:
    """The one expression of a TAG_EXPR, as text or as an object. Raises InvalidAudience."""
    if len(values) != 1:
        raise InvalidAudience("audiences: TAG_EXPR takes one expression")
    return parse_groups(values[0]) if values[0].startswith("{") else parse(values[0])


def weigh(transaction: Transaction, app: int, expression: Expression) -> Weights:
    """How many devices carry each tag, counted as far as it takes to find the smallest cover."""
    tags = wanted_tags(expression)
    weights: Weights = {}
    for bound in BOUNDS:
        weights = count_up_to(transaction, app, tags, bound)
        cover = find_cover(expression, weights)
        if cover is None or cover.weight < bound:
            break
    return weights


def count_up_to(transaction: Transaction, app: int, tags: Sequence[str], bound: int) -> Weights:
    """How many devices carry each tag; ``bound`` stands for that many or more."""
    statement = "SELECT count(*) FROM (SELECT 1 FROM device_tag WHERE app = ? AND tag = ? LIMIT ?) AS counted"
    found = {tag: transaction.row(statement, (app, tag, bound)) for tag in tags}
    return {tag: row[0] for tag, row in found.items() if row is not None}
