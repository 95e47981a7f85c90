"""The functions' layer on the path, as Lambda puts it there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(_ROOT / "lambda" / "layer" / "python"))


@pytest.fixture
def world() -> Any:
    """A world where one model is live."""
    from world import World

    return World().with_champion()


@pytest.fixture
def fresh() -> Any:
    """A world with data, deployed, without a model."""
    from world import World

    return World().with_data()


@pytest.fixture(params=["training", "tuning", "processing", "transform"])
def kind(request: pytest.FixtureRequest) -> str:
    """A test for each kind of job."""
    return str(request.param)
