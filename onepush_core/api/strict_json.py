"""JSON as onepush takes it: RFC 8259, and nothing that two parsers could read differently (RFC 7493)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import chain
from typing import Any, NoReturn

from onepush_core.errors import InvalidJson

MAX_DEPTH = 32
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_INFINITY = float("inf")


def parse(body: bytes) -> Any:
    """Decode a body.

    Refused with ``InvalidJson``: what is not UTF-8 or not JSON, duplicate keys, NaN and Infinity,
    numbers beyond a double or 64 bits, more than 32 levels, lone surrogates, NUL characters.
    The error never repeats what was sent.
    """
    if not body:
        raise InvalidJson("the body is empty")
    try:
        value = _decoder.decode(body.decode())
    except UnicodeDecodeError:
        raise InvalidJson("the body is not valid UTF-8") from None
    except json.JSONDecodeError as error:
        raise InvalidJson(f"the body is not valid JSON, at character {error.pos}") from None
    except RecursionError:
        raise _too_deep() from None
    # Brackets in strings are counted too: this may cost the exact check, never its result.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _check_depth(value)
    # Only an escape can bring these in: raw, the decoder has refused them already.
    if b"\\u0000" in body or b"\\ud" in body or b"\\uD" in body:
        _check_text(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidJson("a key occurs twice in one object")
    return members


def _constant(_name: str) -> NoReturn:
    raise InvalidJson("NaN and Infinity are not JSON")


def _integer(digits: str) -> int:
    if len(digits) > 20 or not _SMALLEST <= (number := int(digits)) <= _LARGEST:
        raise InvalidJson("a number is out of range")
    return number


def _double(digits: str) -> float:
    number = float(digits)
    if abs(number) == _INFINITY:
        raise InvalidJson("a number is out of range")
    return number


_decoder = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_constant, parse_int=_integer, parse_float=_double
)


def _too_deep() -> InvalidJson:
    return InvalidJson(f"nested deeper than {MAX_DEPTH} levels")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = list(
            chain.from_iterable(_contents(outer) for outer in level if isinstance(outer, (dict, list)))
        )
        if not level:
            return
    if any(isinstance(inner, (dict, list)) for inner in level):
        raise _too_deep()


def _contents(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _check_text(value: Any) -> None:
    if isinstance(value, str):
        _check_string(value)
        return
    if isinstance(value, dict):
        for key in value:
            _check_string(key)
    if isinstance(value, (dict, list)):
        for inner in _contents(value):
            _check_text(inner)


def _check_string(text: str) -> None:
    if "\0" in text:
        raise InvalidJson("a string holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidJson("a string holds half of a surrogate pair") from None
