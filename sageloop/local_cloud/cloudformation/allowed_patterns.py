"""``AllowedPattern`` of parameters: an expression of Java that a whole value must match."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress

from sageloop.local_cloud.cloudformation.errors import invalid
from sageloop.local_cloud.cloudformation.java_patterns import translated
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.user_patterns import PatternTooSlow, compiled, matches_whole


def check_pattern(name: str, pattern: str) -> None:
    """Check that a parameter's pattern can be evaluated. Raises ``ValidationError``."""
    try:
        compiled(translated(pattern))
    except ValueError as error:
        raise _refusal(name, pattern, error) from None


def all_match(name: str, pattern: str, values: Iterable[str]) -> bool:
    """Whether every value matches. Raises ``ValidationError`` if that takes too long."""
    try:
        return all(matches_whole(translated(pattern), value) for value in values)
    except (ValueError, PatternTooSlow) as error:
        raise _refusal(name, pattern, error) from None


def _refusal(name: str, pattern: str, error: Exception) -> AwsError:
    problem = str(error)
    with suppress(ValueError):
        # The message shows the pattern of the template, not its translation nor a position in it.
        problem = problem.replace(repr(translated(pattern)), repr(pattern))
        problem = re.sub(r" at position \d+$", "", problem)
    return invalid(f"Template validation error: AllowedPattern of parameter {name}: {problem}")
