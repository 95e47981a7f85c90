"""Patterns with the wildcards ``*`` and ``?``, compiled once and matched in linear time.

A regular expression with many ``.*`` can take time that grows with a power of the length, so a
policy could block the cloud. A pattern is therefore split at its asterisks, and each piece is
searched once, from left to right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

Test = Callable[[str], bool]

# The characters of a pattern: itself, or one of the two wildcards.
ANY_TEXT = None
ANY_CHARACTER = False
Token = str | bool | None

_CACHED_PATTERNS = 4096
_ARN_FIELDS = 6


def tokens(text: str) -> list[Token]:
    """A pattern's text as tokens: every ``*`` and ``?`` in it is a wildcard."""
    special: dict[str, Token] = {"*": ANY_TEXT, "?": ANY_CHARACTER}
    return [special.get(character, character) for character in text]


@lru_cache(maxsize=_CACHED_PATTERNS)
def wildcard(text: str) -> Test:
    """Test whether a text matches a pattern as a whole; case-sensitive."""
    return from_tokens(tokens(text))


@lru_cache(maxsize=_CACHED_PATTERNS)
def arn(text: str) -> Test:
    """Test whether an ARN matches a pattern field by field, as ``ArnLike`` does.

    Each of the six fields between colons is matched by itself. The pattern ``*`` matches every
    ARN.
    """
    return arn_from_tokens(tokens(text))


@lru_cache(maxsize=_CACHED_PATTERNS)
def resource(text: str) -> Test:
    """Test whether a resource matches a pattern of a ``Resource`` element."""
    return resource_from_tokens(tokens(text))


def from_tokens(pattern: Sequence[Token]) -> Test:
    """Compile tokens to a test of a whole text."""
    pieces = _split(pattern, ANY_TEXT)
    if len(pieces) == 1:
        return _whole(pieces[0])
    if all(not piece for piece in pieces):
        return _everything
    if len(pieces) == 2 and not pieces[1] and ANY_CHARACTER not in pieces[0]:
        prefix = _text(pieces[0])
        return lambda value: value.startswith(prefix)
    return _Pieces([_Piece(piece) for piece in pieces])


def arn_from_tokens(pattern: Sequence[Token]) -> Test:
    """Compile tokens to a test of an ARN, field by field."""
    if list(pattern) == [ANY_TEXT]:
        return _is_arn
    fields = _split(pattern, ":", limit=_ARN_FIELDS)
    if len(fields) < _ARN_FIELDS:
        return _nothing
    return _Fields([from_tokens(field) for field in fields])


def resource_from_tokens(pattern: Sequence[Token]) -> Test:
    """Compile tokens to a test of a request's resource.

    An asterisk at the end of a field matches beyond the colon; within one of the first five
    fields, it stays in its field. AWS completes an ARN that has fewer than six fields with ``*``.
    """
    fields = _split(pattern, ":", limit=_ARN_FIELDS)
    if fields[0] != list("arn"):
        return from_tokens(pattern)
    if any(ANY_TEXT in field[:-1] for field in fields[:-1]):
        return _Fields([from_tokens(field) for field in _completed(fields)])
    as_written = from_tokens(pattern)
    if len(fields) == _ARN_FIELDS:
        return as_written
    completed = from_tokens(_joined(_completed(fields)))
    return lambda value: as_written(value) or completed(value)


def _completed(fields: list[list[Token]]) -> list[list[Token]]:
    missing: list[list[Token]] = [[ANY_TEXT] for _ in range(_ARN_FIELDS - len(fields))]
    return fields + missing


def _joined(fields: list[list[Token]]) -> list[Token]:
    joined: list[Token] = list(fields[0])
    for field in fields[1:]:
        joined += [":", *field]
    return joined


def _split(
    pattern: Sequence[Token], separator: Token, *, limit: int | None = None
) -> list[list[Token]]:
    pieces: list[list[Token]] = [[]]
    for token in pattern:
        if token == separator and len(pieces) != limit:
            pieces.append([])
        else:
            pieces[-1].append(token)
    return pieces


def _text(piece: Sequence[Token]) -> str:
    return "".join(token for token in piece if isinstance(token, str))


def _everything(_value: str) -> bool:
    return True


def _nothing(_value: str) -> bool:
    return False


def _is_arn(value: str) -> bool:
    return value.count(":") >= _ARN_FIELDS - 1 and value.startswith("arn:")


def _whole(piece: list[Token]) -> Test:
    if ANY_CHARACTER not in piece:
        expected = _text(piece)
        return lambda value: value == expected
    part = _Piece(piece)
    return lambda value: len(value) == part.length and part.matches_at(value, 0)


class _Fields:
    """One test for each field of an ARN."""

    def __init__(self, tests: list[Test]) -> None:
        self._tests = tests

    def __call__(self, value: str) -> bool:
        fields = value.split(":", len(self._tests) - 1)
        return len(fields) == len(self._tests) and all(
            test(field) for test, field in zip(self._tests, fields, strict=True)
        )


class _Piece:
    """The characters between two asterisks; a ``?`` matches any one character."""

    def __init__(self, piece: list[Token]) -> None:
        self.length = len(piece)
        self._literal = _text(piece) if ANY_CHARACTER not in piece else None
        self._checked = [(i, c) for i, c in enumerate(piece) if isinstance(c, str)]

    def matches_at(self, value: str, start: int) -> bool:
        if self._literal is not None:
            return value.startswith(self._literal, start)
        return all(value[start + offset] == c for offset, c in self._checked)

    def find(self, value: str, start: int, end: int) -> int:
        """The first place in ``value[start:end]``, or -1."""
        if self._literal is not None:
            return value.find(self._literal, start, end)
        for place in range(start, end - self.length + 1):
            if self.matches_at(value, place):
                return place
        return -1


class _Pieces:
    """Pieces in order, with any text between them."""

    def __init__(self, pieces: list[_Piece]) -> None:
        self._first, *self._middle, self._last = pieces
        self._shortest = sum(piece.length for piece in pieces)

    def __call__(self, value: str) -> bool:
        end = len(value) - self._last.length
        if len(value) < self._shortest or not (
            self._first.matches_at(value, 0) and self._last.matches_at(value, end)
        ):
            return False
        place = self._first.length
        for piece in self._middle:
            place = piece.find(value, place, end)
            if place < 0:
                return False
            place += piece.length
        return True
