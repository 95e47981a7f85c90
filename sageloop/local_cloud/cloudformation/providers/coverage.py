"""Supported properties of resource types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from sageloop.local_cloud.cloudformation.providers.base import Provider


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The properties of a type that take effect, and those that are stored without effect."""

    executed: frozenset[str] = field(default_factory=frozenset)
    stored: frozenset[str] = field(default_factory=frozenset)
    note: str = ""

    def takes(self, name: str) -> bool:
        """Whether a property is accepted."""
        return name in self.executed or name in self.stored


class CoveredProvider(Provider, Protocol):
    """A provider that declares its supported properties."""

    @property
    def coverage(self) -> Coverage:
        """Its executed and stored properties."""
        ...


def names(text: str) -> frozenset[str]:
    """Names in one string, separated by spaces."""
    return frozenset(text.split())
