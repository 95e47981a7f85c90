"""What is acknowledged instead of mended: read from the assembly's own metadata."""

from __future__ import annotations

from collections.abc import Iterable

from scripts.acknowledgments import Acknowledgment


def acknowledged(
    value: Iterable[Acknowledgment], stack: str, resource: str, rule: str
) -> str | None:
    """The reason why a resource of a stack may fail a rule, if one is given."""
    return next(
        (a.reason for a in value
         if a.stack == stack and a.rule == rule and resource in a.resources), None,
    )  # fmt: skip
