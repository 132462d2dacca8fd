"""The text form of an expression, such as ``vip & (sz | gz) & !muted``. Pure.

    expression = conjunction { "|" conjunction }
    conjunction = factor { "&" factor }
    factor     = "!" factor | "(" expression ")" | tag

White space between these is free. Limits: 20 tags, 8 levels of "!" and "(", 4,096 characters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from onepush_core import InvalidAudience
from onepush_tags.expression import Expression, Has, all_of, any_of, negated
from onepush_tags.tag import code_point, is_tag_character, normalised, problem_with

MAX_TERMS = 20
MAX_DEPTH = 8
MAX_LENGTH = 4096
OPERATORS = frozenset("&|!()")
SPACES = frozenset(" \t\r\n")
TAG, END = "tag", "end"


class Token(NamedTuple):
    """A tag, an operator or the end. ``position`` counts characters from 1."""

    kind: str
    position: int
    text: str = ""


def parse(text: str) -> Expression:
    """Read an expression. Raises InvalidAudience, which names the character where it goes wrong."""
    if len(text) > MAX_LENGTH:
        raise InvalidAudience(f"audiences: the expression is longer than {MAX_LENGTH} characters")
    return _Parser(_tokens(text)).parse()


def _tokens(text: str) -> Iterator[Token]:
    position = 0
    while position < len(text):
        character, start = text[position], position
        position += 1
        if character in OPERATORS:
            yield Token(character, start + 1)
        elif is_tag_character(character):
            while position < len(text) and is_tag_character(text[position]):
                position += 1
            yield Token(TAG, start + 1, normalised(text[start:position]))
        elif character not in SPACES:
            _refuse(start + 1, f"{code_point(character)} cannot be in a tag or an expression")
    yield Token(END, len(text) + 1)


class _Parser:
    """Recursive descent with one token in hand."""

    def __init__(self, tokens: Iterator[Token]) -> None:
        self._tokens = tokens
        self._token = next(tokens)
        self._terms = 0
        self._depth = 0

    def parse(self) -> Expression:
        expression = self._expression()
        if self._token.kind != END:
            _refuse(self._token.position, 'expected "&", "|" or the end')
        return expression

    def _next(self) -> Token:
        token = self._token
        if token.kind != END:
            self._token = next(self._tokens)
        return token

    def _expression(self) -> Expression:
        parts = [self._conjunction()]
        while self._token.kind == "|":
            self._next()
            parts.append(self._conjunction())
        return any_of(parts)

    def _conjunction(self) -> Expression:
        parts = [self._factor()]
        while self._token.kind == "&":
            self._next()
            parts.append(self._factor())
        return all_of(parts)

    def _factor(self) -> Expression:
        token = self._next()
        if token.kind == TAG:
            return self._tag(token)
        if token.kind not in ("!", "("):
            _refuse(token.position, 'expected a tag, "!" or "("')
        self._depth += 1
        if self._depth > MAX_DEPTH:
            _refuse(token.position, f"nested deeper than {MAX_DEPTH} levels")
        inner = negated(self._factor()) if token.kind == "!" else self._group(token)
        self._depth -= 1
        return inner

    def _group(self, opening: Token) -> Expression:
        inner = self._expression()
        if self._token.kind == END:
            _refuse(opening.position, '"(" is never closed')
        closing = self._next()
        if closing.kind != ")":
            _refuse(closing.position, 'expected "&", "|" or ")"')
        return inner

    def _tag(self, token: Token) -> Expression:
        problem = problem_with(token.text)
        if problem is not None:
            _refuse(token.position, problem)
        self._terms += 1
        if self._terms > MAX_TERMS:
            _refuse(token.position, f"more than {MAX_TERMS} tags")
        return Has(token.text)


def _refuse(position: int, problem: str) -> NoReturn:
    raise InvalidAudience(f"audiences: character {position}: {problem}")
