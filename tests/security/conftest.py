"""Assemblies of all settings, synthesized once like the CDK CLI does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scripts.acknowledgments import Acknowledgment, acknowledgments
from scripts.synthesis import SETTINGS, templates_in
from tests.assemblies import assembly
from tests.security.checks.flatten import flat, properties, resources

Templates = Mapping[str, dict[str, Any]]
ALL_SETTINGS = (*SETTINGS, "tune")


@pytest.fixture(scope="session")
def assemblies() -> dict[str, Path]:
    """Folders of the synthesized assemblies by settings."""
    return {settings: assembly(settings) for settings in ALL_SETTINGS}


@pytest.fixture(params=ALL_SETTINGS)
def settings(request: pytest.FixtureRequest) -> str:
    """Each of the settings in turn."""
    return str(request.param)


@pytest.fixture
def templates(assemblies: dict[str, Path], settings: str) -> dict[str, dict[str, Any]]:
    """Fresh copies of the templates of one of the settings."""
    return templates_in(assemblies[settings])


@pytest.fixture
def accepted(assemblies: dict[str, Path], settings: str) -> list[Acknowledgment]:
    """The suppressed rules of one of the settings."""
    return acknowledgments(assemblies[settings])


def documents(templates: Templates, kind: str) -> list[dict[str, Any]]:
    """The JSON documents of custom resources of a type, with placeholders resolved."""
    return [
        json.loads(str(flat(properties(resource)["Document"])))
        for template in templates.values()
        for resource in resources(template, kind).values()
    ]
