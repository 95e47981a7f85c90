"""The kinds of jobs of the constructs and of the functions are the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from constructs_lib.training.kinds import PROCESSING, TRAINING, TRANSFORM, TUNING, JobKind

_ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(_ROOT / "lambda" / "layer" / "python"))

from sageloop_runtime.jobs.kinds import KINDS  # noqa: E402

_ALL = {kind.name: kind for kind in (TRAINING, TUNING, PROCESSING, TRANSFORM)}


@pytest.mark.parametrize("kind", _ALL.values(), ids=_ALL)
def test_kind_equals_that_of_the_functions(kind: JobKind) -> None:
    functions = KINDS[kind.name]

    assert (kind.noun, kind.name_key, kind.status_key, kind.name_limit) == (
        functions.noun, functions.name_member, functions.status_member, functions.longest_job,
    )  # fmt: skip


def test_functions_have_the_same_kinds() -> None:
    assert set(_ALL) == set(KINDS)
