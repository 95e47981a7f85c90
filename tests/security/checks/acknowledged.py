"""Suppressed rules, read from the assembly's metadata."""

from __future__ import annotations

from collections.abc import Iterable

from scripts.acknowledgments import Acknowledgment


def acknowledged(
    value: Iterable[Acknowledgment], stack: str, resource: str, rule: str
) -> str | None:
    """The reason for which a resource of a stack may fail a rule, or None."""
    return next(
        (a.reason for a in value
         if a.stack == stack and a.rule == rule and resource in a.resources), None,
    )  # fmt: skip
