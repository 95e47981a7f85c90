"""What the local cloud does with each property of a resource type."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from sageloop.local_cloud.cloudformation.providers.base import Provider


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The properties of a type that take effect, and those kept in the stack only."""

    executed: frozenset[str] = field(default_factory=frozenset)
    stored: frozenset[str] = field(default_factory=frozenset)
    note: str = ""

    def takes(self, name: str) -> bool:
        """Whether a property may be given at all."""
        return name in self.executed or name in self.stored


class CoveredProvider(Provider, Protocol):
    """A provider that says what it covers."""

    @property
    def coverage(self) -> Coverage:
        """What it carries out and what it only keeps."""
        ...


def names(text: str) -> frozenset[str]:
    """Names given in one string, separated by blanks."""
    return frozenset(text.split())
