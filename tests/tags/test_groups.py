"""The object form of expressions."""

import json

import pytest

from onepush_core import InvalidAudience
from onepush_tags.expression import AllOf, AnyOf, Has
from onepush_tags.groups import parse_groups

A, B, C = (Has(tag) for tag in "abc")


@pytest.mark.parametrize(
    ("groups", "expression"),
    [
        ({"or": ["a"]}, A),
        ({"or": ["a", "b"]}, AnyOf((A, B))),
        ({"and": ["a", "b"]}, AllOf((A, B))),
        ({"not": ["a", "b"]}, AllOf((Has("a", wanted=False), Has("b", wanted=False)))),
        (
            {"or": ["a", "b"], "and": ["c"], "not": ["d"]},
            AllOf((AnyOf((A, B)), C, Has("d", wanted=False))),
        ),
        ({"or": ["a"], "and": None}, A),
        ({"and": ["cafe\u0301"]}, Has("caf\u00e9")),
    ],
)
def test_groups_read_object(groups, expression):
    """One of "or", all of "and", none of "not"; a group left out asks for nothing."""
    assert parse_groups(json.dumps(groups)) == expression


@pytest.mark.parametrize(
    ("groups", "problem"),
    [
        ({}, 'one of "or", "and" and "not" is needed'),
        ({"or": []}, "audiences.or: must not be empty"),
        ({"or": ["a"], "not": []}, "audiences.not: must not be empty"),
        ({"xor": ["a"]}, "must be {"),
        ({"or": "a"}, "must be {"),
        ({"or": [1]}, "must be {"),
        ({"or": [{"and": ["a"]}]}, "must be {"),
        ({"and": ["a", "b c"]}, "audiences.and[1]: character 2 (U+0020)"),
        ({"or": list("abcdefghijk"), "not": list("lmnopqrstu")}, "more than 20 tags"),
    ],
)
def test_groups_name_what_is_wrong(groups, problem):
    """The error names the group, the entry and the character."""
    with pytest.raises(InvalidAudience) as caught:
        parse_groups(json.dumps(groups))
    assert problem in str(caught.value)
