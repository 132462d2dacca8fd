"""How to find the devices of an expression: by reading which tags, and what to ask of each device. Pure.

A tag's devices stand in the store in the order of their keys, so that reading them and asking the rest
of the expression of each finds a page in the time of a page. A set of tags of which every device sought
carries at least one is a cover; ``plan`` takes the one with the fewest devices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from onepush_tags.expression import AllOf, Expression, Has, assuming


class Arm(NamedTuple):
    """Read the devices of ``tag`` (None: all of the app) of which ``condition`` holds (None: all)."""

    tag: str | None
    condition: Expression | None


class Cover(NamedTuple):
    """Tags of which every device sought carries at least one; ``weight``: how many devices carry them."""

    weight: int
    tags: tuple[str, ...]


def plan(expression: Expression, weights: Mapping[str, int]) -> list[Arm]:
    """The arms whose devices together are those of the expression; none if it can hold of no device.

    ``weights``: how many devices carry a tag; a tag left out counts as 1.
    """
    cover = find_cover(expression, weights)
    if cover is None:
        return [Arm(None, expression)]
    arms: list[Arm] = []
    for tag in cover.tags:
        condition = assuming(expression, tag)
        if condition is not False:
            arms.append(Arm(tag, None if condition is True else condition))
    return arms


def find_cover(expression: Expression, weights: Mapping[str, int]) -> Cover | None:
    """The lightest cover; None when a device that carries no tag at all may be sought."""
    if isinstance(expression, Has):
        tag = expression.tag
        return Cover(weights.get(tag, 1), (tag,)) if expression.wanted else None
    covers = [find_cover(part, weights) for part in expression.parts]
    found = [cover for cover in covers if cover is not None]
    if isinstance(expression, AllOf):
        return min(found, key=lambda cover: cover.weight, default=None)
    if len(found) < len(covers):
        return None
    tags = dict.fromkeys(tag for cover in found for tag in cover.tags)
    return Cover(sum(weights.get(tag, 1) for tag in tags), tuple(tags))


def has_choice(expression: Expression) -> bool:
    """Whether there is more than one cover, so that it pays to know the weights."""
    if isinstance(expression, Has):
        return False
    covered = [part for part in expression.parts if find_cover(part, {}) is not None]
    if isinstance(expression, AllOf) and len(covered) > 1:
        return True
    return any(map(has_choice, covered))


def wanted_tags(expression: Expression) -> list[str]:
    """Tags that can be part of a cover, each once."""
    if isinstance(expression, Has):
        return [expression.tag] if expression.wanted else []
    return list(dict.fromkeys(tag for part in expression.parts for tag in wanted_tags(part)))
