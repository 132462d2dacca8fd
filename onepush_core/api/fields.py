"""Checking fields, and saying what is wrong with one without repeating its value."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec

from onepush_core.errors import InvalidField, InvalidJson, OnepushError

T = TypeVar("T")

_SINGULAR = {
    "str": "a string",
    "int": "an integer",
    "bool": "true or false",
    "array": "a list",
    "object | array": "a list or an object",
    "object": "an object",
}
_PLURAL = {"str": "strings", "object": "objects"}


def convert(value: Any, kind: type[T]) -> T:
    """Turn decoded JSON into a Struct. Raises ``InvalidField`` with the contract's name of the field."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        # The original text may quote the value.
        raise _explain(str(error), kind) from None


def require_text(field: str, value: str, limit: int) -> str:
    """Raise ``InvalidField`` if blank or over ``limit`` bytes of UTF-8; else the value as it came."""
    if not value.strip():
        raise InvalidField(field, "must not be blank")
    return limit_text(field, value, limit)


def optional_text(field: str, value: str | None, limit: int) -> str | None:
    """The same for a field that may be left out; an empty string counts as left out."""
    return limit_text(field, value, limit) if value else None


def limit_text(field: str, value: str, limit: int) -> str:
    """Raise ``InvalidField`` if over ``limit`` bytes of UTF-8."""
    if len(value) > limit or (not value.isascii() and len(value.encode()) > limit):
        raise InvalidField(field, f"longer than {limit} bytes")
    return value


def _explain(text: str, kind: type) -> OnepushError:
    """From msgspec's words to ours: ``Expected `x`, got `y` - at `$.field[0]``` and the like."""
    # From the right: a quoted value could hold anything.
    problem, _, path = text.rpartition(" - at `$.")
    if not problem:
        missing = text.partition("required field `")[2].rstrip("`")
        return InvalidField(missing, "required") if missing else InvalidJson("the body is not a JSON object")
    field = path.partition("[")[0].rstrip("`")
    if problem.startswith("Invalid enum value"):
        return InvalidField(field, "must be one of " + ", ".join(_choices(kind, field)))
    return InvalidField(field, _expectation(problem, "[" in path))


def _expectation(problem: str, inside: bool) -> str:
    expected, _, rest = problem.removeprefix("Expected `").partition("`")
    expected = expected.removesuffix(" | null")
    if inside:
        return f"must hold only {_PLURAL[expected]}"
    if rest.endswith("got `null`"):
        return "required"
    bound = "" if rest.startswith(",") else rest
    return f"must be {_SINGULAR[expected]}{bound}"


@cache
def _choices(kind: type, field: str) -> tuple[str, ...]:
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    found = next(f.type for f in info.fields if f.encode_name == field)
    while isinstance(found, msgspec.inspect.Metadata):
        found = found.type
    options = found.types if isinstance(found, msgspec.inspect.UnionType) else (found,)
    literal = next(option for option in options if isinstance(option, msgspec.inspect.LiteralType))
    return tuple(str(value) for value in literal.values)
