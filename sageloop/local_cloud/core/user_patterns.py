"""Users' regular expressions, matched in bounded time without blocking other threads.

Python's ``re`` has no time limit and holds the interpreter's lock.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any

import regex  # type: ignore[import-untyped]

log = logging.getLogger(__name__)

_SECONDS = 0.5


class PatternTooSlow(Exception):
    """Matching an expression exceeds the time limit."""


@lru_cache(maxsize=512)
def compiled(expression: str) -> Any:
    """The compiled expression. Raises ``ValueError`` with the reason if it is invalid."""
    try:
        return regex.compile(expression)
    except (regex.error, RecursionError) as error:
        raise ValueError(f"{expression!r} is not a regular expression: {error}") from None


def matches_whole(expression: str, text: str) -> bool:
    """Whether a whole text matches. Raises ``ValueError`` or :class:`PatternTooSlow`."""
    return _timed(compiled(expression).fullmatch, expression, text) is not None


def search_in(expression: str, text: str) -> Any:
    """The first match in a text, or ``None``. Raises ``ValueError`` or :class:`PatternTooSlow`."""
    return _timed(compiled(expression).search, expression, text)


def _timed(match: Any, expression: str, text: str) -> Any:
    try:
        return match(text, timeout=_SECONDS, concurrent=True)
    except TimeoutError:
        raise PatternTooSlow(
            f"the regular expression {expression!r} takes more than {_SECONDS} s on a text of "
            f"{len(text)} characters"
        ) from None
