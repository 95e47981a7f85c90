from __future__ import annotations

from pathlib import Path

import pytest

from scripts.synthesis import SETTINGS
from tests.assemblies import assembly


@pytest.fixture(scope="session")
def assemblies() -> dict[str, Path]:
    """All settings, to read."""
    return {settings: assembly(settings) for settings in SETTINGS}
