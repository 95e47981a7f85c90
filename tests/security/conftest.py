"""Assemblies of all settings and all examples, each synthesized once like the CDK CLI does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from scripts.acknowledgments import Acknowledgment, acknowledgments
from scripts.synthesis import EXAMPLES, SETTINGS, templates_in
from tests.assemblies import EXAMPLE, assembly
from tests.security.checks.flatten import flat, properties, resources

Templates = Mapping[str, dict[str, Any]]
# An endpoint of its own, autoscaling, and topics and queues of the example's author.
REPRESENTATIVE = "flights_async"
LONG = (pytest.mark.slow, pytest.mark.long)
OF_EXAMPLES = tuple(f"{EXAMPLE}{name}" for name in EXAMPLES)
EVALUATED = (
    *SETTINGS,
    *(
        pytest.param(name, marks=() if name == f"{EXAMPLE}{REPRESENTATIVE}" else LONG)
        for name in OF_EXAMPLES
    ),
)
"""What the rule packs evaluate; in the ordinary lane all settings and one example."""


class Assemblies(Mapping[str, Path]):
    """Folders of the assemblies by settings or example; a folder is made when it is read first."""

    def __getitem__(self, name: str) -> Path:
        return assembly(name)

    def __iter__(self) -> Iterator[str]:
        return iter((*SETTINGS, *OF_EXAMPLES))

    def __len__(self) -> int:
        return len(SETTINGS) + len(OF_EXAMPLES)


@pytest.fixture(scope="session")
def assemblies() -> Assemblies:
    """The folders of the assemblies."""
    return Assemblies()


@pytest.fixture(params=EVALUATED)
def settings(request: pytest.FixtureRequest) -> str:
    """Each of the settings and examples in turn."""
    return str(request.param)


@pytest.fixture
def templates(assemblies: Assemblies, settings: str) -> dict[str, dict[str, Any]]:
    """Fresh copies of the templates of one of them."""
    return templates_in(assemblies[settings])


@pytest.fixture
def accepted(assemblies: Assemblies, settings: str) -> list[Acknowledgment]:
    """The suppressed rules of one of them."""
    return acknowledgments(assemblies[settings])


of_settings = pytest.mark.parametrize("settings", SETTINGS)
"""For tests of what the project's own stacks have and not each example."""


def documents(templates: Templates, kind: str) -> list[dict[str, Any]]:
    """The JSON documents of custom resources of a type, with placeholders resolved."""
    return [
        json.loads(str(flat(properties(resource)["Document"])))
        for template in templates.values()
        for resource in resources(template, kind).values()
    ]
