"""Expressions of tags as data, negations already pushed down to the single tags. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class Has(Struct, frozen=True):
    """The device carries this tag; with ``wanted`` false: it does not."""

    tag: str
    wanted: bool = True


class AllOf(Struct, frozen=True):
    """Every part holds."""

    parts: tuple[Expression, ...]


class AnyOf(Struct, frozen=True):
    """At least one part holds."""

    parts: tuple[Expression, ...]


Expression = Has | AllOf | AnyOf


def all_of(parts: Iterable[Expression]) -> Expression:
    """All of one or more parts; a single one stands for itself."""
    one, *more = parts
    return AllOf((one, *more)) if more else one


def any_of(parts: Iterable[Expression]) -> Expression:
    """Any of one or more parts; a single one stands for itself."""
    one, *more = parts
    return AnyOf((one, *more)) if more else one


def negated(expression: Expression) -> Expression:
    """What holds exactly when the expression does not (De Morgan)."""
    match expression:
        case Has(tag, wanted):
            return Has(tag, not wanted)
        case AllOf(parts):
            return AnyOf(tuple(map(negated, parts)))
        case AnyOf(parts):
            return AllOf(tuple(map(negated, parts)))


def assuming(expression: Expression, tag: str) -> Expression | bool:
    """What is left to ask of a device that is known to carry ``tag``; True and False when nothing is."""
    if isinstance(expression, Has):
        return expression.wanted if expression.tag == tag else expression
    left = [assuming(part, tag) for part in expression.parts]
    decisive = isinstance(expression, AnyOf)
    if decisive in left:
        return decisive
    open_parts = [part for part in left if not isinstance(part, bool)]
    if not open_parts:
        return not decisive
    return any_of(open_parts) if decisive else all_of(open_parts)
