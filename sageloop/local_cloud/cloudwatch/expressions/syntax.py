"""Recursive descent parser of metric math.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sageloop.local_cloud.core.errors import AwsError

MAX_LENGTH = 2048
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<text>"[^"]*"|'[^']*')
      | (?P<sign>==|!=|<=|>=|&&|\|\||[-+*/^<>(),\[\]])
    )""",
    re.VERBOSE,
)
_WORDS = {"AND": "&&", "OR": "||"}
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",), ("&&",), ("==", "!="), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric literal."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string."""

    value: str


@dataclass(frozen=True, slots=True)
class Word:
    """An unquoted keyword, such as ``REPEAT``: an option of a function."""

    value: str


@dataclass(frozen=True, slots=True)
class Reference:
    """The id of a metric or of another expression."""

    id: str


@dataclass(frozen=True, slots=True)
class Array:
    """``[m1, m2]``."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """``NAME(argument, ...)``."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """``-m1``."""

    of: Node


@dataclass(frozen=True, slots=True)
class Operation:
    """Two operands and their operator."""

    sign: str
    left: Node
    right: Node


Node = Number | Text | Word | Reference | Array | FunctionCall | Negation | Operation


def parse(text: str) -> Node:
    """Parse an expression.

    Raises ``ValidationError`` with the expression and the position of a syntax error.
    """
    if len(text) > MAX_LENGTH:
        raise invalid(f"an expression has at most {MAX_LENGTH} characters, got {len(text)}")
    return _Parser(text).whole()


def references(node: Node) -> frozenset[str]:
    """The ids in an expression."""
    if isinstance(node, Reference):
        return frozenset((node.id,))
    parts = _parts(node)
    return frozenset().union(*(references(part) for part in parts))


def calls(node: Node, name: str) -> bool:
    """Whether an expression calls a function."""
    if isinstance(node, FunctionCall) and node.name == name:
        return True
    return any(calls(part, name) for part in _parts(node))


def invalid(what: str) -> AwsError:
    """The error for an invalid expression."""
    return AwsError("ValidationError", f"Metric math: {what}")


def _parts(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Operation):
        return (node.left, node.right)
    if isinstance(node, Negation):
        return (node.of,)
    if isinstance(node, FunctionCall):
        return node.arguments
    return node.items if isinstance(node, Array) else ()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0

    def whole(self) -> Node:
        node = self._binary(0)
        if self._peek()[0] != "end":
            raise self._unexpected("an operator or the end")
        return node

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._signed()
        node = self._binary(level + 1)
        while self._peek()[1] in _LEVELS[level] and self._peek()[0] == "sign":
            sign = self._take()
            node = Operation(sign, node, self._binary(level + 1))
        return node

    def _signed(self) -> Node:
        if self._peek()[:2] == ("sign", "-"):
            self._take()
            return Negation(self._signed())
        return self._power()

    def _power(self) -> Node:
        base = self._atom()
        if self._peek()[:2] == ("sign", "^"):
            self._take()
            return Operation("^", base, self._signed())
        return base

    def _atom(self) -> Node:
        kind, text, _ = self._peek()
        if kind == "sign" and text == "(":
            self._take()
            node = self._binary(0)
            self._expect(")")
            return node
        if kind == "sign" and text == "[":
            self._take()
            return Array(self._list("]"))
        if kind in _ATOMS:
            return _ATOMS[kind](self._take())
        if kind == "name":
            return self._named(self._take())
        raise self._unexpected("a number, an id, a function or a parenthesis")

    def _named(self, name: str) -> Node:
        if self._peek()[:2] == ("sign", "("):
            self._take()
            return FunctionCall(name.upper(), self._list(")"))
        return Reference(name) if name[0].islower() else Word(name)

    def _list(self, end: str) -> tuple[Node, ...]:
        nodes: list[Node] = []
        if self._peek()[:2] != ("sign", end):
            nodes.append(self._binary(0))
            while self._peek()[:2] == ("sign", ","):
                self._take()
                nodes.append(self._binary(0))
        self._expect(end)
        return tuple(nodes)

    def _expect(self, sign: str) -> None:
        if self._peek()[:2] != ("sign", sign):
            raise self._unexpected(f"'{sign}'")
        self._take()

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._at]

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _unexpected(self, expected: str) -> AwsError:
        kind, text, place = self._peek()
        token = "the end" if kind == "end" else f"'{text}'"
        return invalid(
            f"'{self._text}' cannot be read: {token} at character {place + 1} where {expected} "
            "is expected"
        )


_ATOMS: dict[str, Callable[[str], Node]] = {
    "number": lambda text: Number(float(text)),
    "text": lambda text: Text(text[1:-1]),
}


def _tokens(text: str) -> list[tuple[str, str, int]]:
    tokens: list[tuple[str, str, int]] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            place = at + len(text[at:]) - len(text[at:].lstrip())
            raise invalid(
                f"'{text}' cannot be read: '{text[place]}' at character {place + 1} is not part "
                "of metric math"
            )
        kind, token = match.lastgroup, match[match.lastgroup]
        if kind == "name" and token in _WORDS:
            kind, token = "sign", _WORDS[token]
        tokens.append((kind, token, match.start(match.lastgroup)))
        at = match.end()
    return [*tokens, ("end", "", end)]
