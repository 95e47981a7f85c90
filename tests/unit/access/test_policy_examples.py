"""The examples in the docstrings of the policy library run."""

from __future__ import annotations

import doctest
import importlib

import pytest

PACKAGE = "sageloop.local_cloud.access.policy"
MODULES = ["authorization", "document", "evaluation", "principals", "public", "reference",
           "validation.check"]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_docstring_example_runs(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(f"{PACKAGE}.{name}"))
    assert outcome.attempted > 0
    assert outcome.failed == 0
