"""The environments of AWS's own packages; ``make fidelity`` sets them up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder are of one lane."""
    folder = f"{Path(__file__).parent}{os.sep}"
    for item in items:
        if str(item.path).startswith(folder):
            item.add_marker(pytest.mark.fidelity)


@pytest.fixture(scope="session")
def require() -> object:
    """Skips where an environment is missing, except on CI, where nothing may be skipped."""

    def check(program: Path) -> None:
        if program.exists():
            return
        missing = f"{program} is missing: make fidelity"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)

    return check
