"""The object form of an expression, ``{"or": […], "and": […], "not": […]}``, and plain lists. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from onepush_core import InvalidAudience
from onepush_tags.expression import Expression, Has, all_of, any_of
from onepush_tags.grammar import MAX_TERMS
from onepush_tags.tag import normalised, problem_with


class Groups(msgspec.Struct, forbid_unknown_fields=True, rename={"or_": "or", "and_": "and", "not_": "not"}):
    """One of ``or``, all of ``and``, none of ``not``; a group left out asks for nothing."""

    or_: list[str] | None = None
    and_: list[str] | None = None
    not_: list[str] | None = None


def parse_groups(text: str) -> Expression:
    """Read the object form from JSON. Raises InvalidAudience, which names the group and the entry."""
    try:
        groups = msgspec.json.decode(text, type=Groups)
    except msgspec.DecodeError:
        raise InvalidAudience('audiences: must be {"or": […], "and": […], "not": […]} of tags') from None
    parts: list[Expression] = []
    if groups.or_ is not None:
        parts.append(any_of(map(Has, _tags(groups.or_, "audiences.or"))))
    if groups.and_ is not None:
        parts += map(Has, _tags(groups.and_, "audiences.and"))
    if groups.not_ is not None:
        parts += (Has(tag, wanted=False) for tag in _tags(groups.not_, "audiences.not"))
    if not parts:
        raise InvalidAudience('audiences: one of "or", "and" and "not" is needed')
    if sum(len(group or ()) for group in (groups.or_, groups.and_, groups.not_)) > MAX_TERMS:
        raise InvalidAudience(f"audiences: more than {MAX_TERMS} tags")
    return all_of(parts)


def read_list(values: Sequence[str]) -> list[str]:
    """The tags of a list, each once. Raises InvalidAudience, which names the entry."""
    return list(dict.fromkeys(_tags(values, "audiences")))


def _tags(values: Sequence[str], where: str) -> list[str]:
    if not values:
        raise InvalidAudience(f"{where}: must not be empty")
    return [_tag(value, f"{where}[{position}]") for position, value in enumerate(values)]


def _tag(value: str, where: str) -> str:
    tag = normalised(value)
    problem = problem_with(tag)
    if problem is not None:
        raise InvalidAudience(f"{where}: {problem}")
    return tag
