"""The import of xgboost in the built-in algorithm's programs."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIBRARY = "from sageloop.local_cloud.images.xgboost.library import xgboost"


def printed(program: str) -> str:
    """Output of a program in a new process: an import is tested once per process."""
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_estimators_are_not_imported() -> None:
    assert printed(f"import sys\n{LIBRARY}\nprint('sklearn' in sys.modules)") == "False"


@pytest.mark.slow
def test_scikit_learn_can_be_imported_afterwards() -> None:
    assert printed(f"{LIBRARY}\nimport sklearn.metrics\nprint(sklearn.__name__)") == "sklearn"


@pytest.mark.slow
def test_scikit_learn_that_is_imported_before_stays() -> None:
    program = f"import sys, sklearn\n{LIBRARY}\nprint(sys.modules['sklearn'] is sklearn)"

    assert printed(program) == "True"
