"""What the programs of the built-in K-means import."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import pairwise_distances_argmin_min

from sageloop.local_cloud.images.kmeans.clustering import distances

PACKAGE = "sageloop.local_cloud.images.kmeans"


def printed(program: str) -> str:
    """Output of a program in a new process: an import is tested once per process."""
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("program", ["serve", "train"])
def test_program_imports_scikit_learn_for_the_clustering_only(program: str) -> None:
    code = f"import sys, {PACKAGE}.{program}; print('sklearn' in sys.modules)"

    assert printed(code) == "False"


def test_pandas_is_not_imported_and_can_be_imported_afterwards() -> None:
    code = f"import sys, {PACKAGE}.library\nprint('pandas' in sys.modules)\nimport pandas"

    assert printed(code) == "False"


@pytest.mark.parametrize("rows", [0, 1, 4095, 4096, 9000])
def test_distances_are_those_of_scikit_learn(rows: int) -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(rows, 3)).astype(np.float32)
    centers = random.normal(size=(7, 3)).astype(np.float32)

    nearest, distance = distances(points, centers)

    assert len(nearest) == len(distance) == rows
    if rows:
        expected = pairwise_distances_argmin_min(points.astype(np.float64), centers)
        np.testing.assert_array_equal(nearest, expected[0])
        np.testing.assert_allclose(distance, expected[1], rtol=1e-6)
