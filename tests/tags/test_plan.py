"""Plans: which tags are read, and that their arms find what the expression means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.examples import any_machine
from onepush_tags.expression import AllOf, AnyOf, Has, negated
from onepush_tags.grammar import parse
from onepush_tags.plan import Arm, has_choice, plan

TAGS = "abcde"
terms = st.builds(Has, st.sampled_from(TAGS), st.booleans())
expressions = st.recursive(
    terms,
    lambda inner: st.builds(
        lambda join, parts: join(tuple(parts)),
        st.sampled_from([AllOf, AnyOf]),
        st.lists(inner, min_size=2, max_size=4),
    ),
    max_leaves=10,
)


def holds(expression, carried):
    """Evaluate an expression for a device that carries these tags."""
    if isinstance(expression, Has):
        return (expression.tag in carried) == expression.wanted
    join = all if isinstance(expression, AllOf) else any
    return join(holds(part, carried) for part in expression.parts)


def finds(arm, carried):
    """Whether an arm finds a device that carries these tags."""
    if arm.tag is not None and arm.tag not in carried:
        return False
    return arm.condition is None or holds(arm.condition, carried)


@any_machine
@given(expressions, st.dictionaries(st.sampled_from(TAGS), st.integers(0, 9)), st.sets(st.sampled_from(TAGS)))
def test_plan_finds_what_expression_means(expression, weights, carried):
    """Whatever the weights, the arms together find a device exactly when the expression holds of it."""
    assert any(finds(arm, carried) for arm in plan(expression, weights)) == holds(expression, carried)


@any_machine
@given(expressions, st.sets(st.sampled_from(TAGS)))
def test_negation_holds_when_expression_does_not(expression, carried):
    """De Morgan's laws, on any expression."""
    assert holds(negated(expression), carried) != holds(expression, carried)


@pytest.mark.parametrize(
    ("text", "weights", "arms"),
    [
        ("a", {}, [Arm("a", None)]),
        ("a | b", {}, [Arm("a", None), Arm("b", None)]),
        ("a & !b", {}, [Arm("a", Has("b", wanted=False))]),
        ("a & b", {"a": 9, "b": 3}, [Arm("b", Has("a"))]),
        ("a & (b | c)", {"a": 9, "b": 3, "c": 3}, [Arm("b", Has("a")), Arm("c", Has("a"))]),
        ("a & (b | c)", {"a": 9, "b": 7, "c": 3}, [Arm("a", AnyOf((Has("b"), Has("c"))))]),
        ("!a", {}, [Arm(None, Has("a", wanted=False))]),
        ("a | !b", {}, [Arm(None, AnyOf((Has("a"), Has("b", wanted=False))))]),
        ("a & !a", {}, []),
        ("a | a", {}, [Arm("a", None)]),
    ],
)
def test_plan_reads_fewest_devices(text, weights, arms):
    """The lightest tags are read, and only what is still open is asked of their devices."""
    assert plan(parse(text), weights) == arms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", False),
        ("a | b", False),
        ("a & !b", False),
        ("a & b", True),
        ("c | (a & b)", True),
        ("!a & !b", False),
    ],
)
def test_plan_knows_when_weights_matter(text, expected):
    """Tags are counted only where there is something to choose."""
    assert has_choice(parse(text)) is expected
