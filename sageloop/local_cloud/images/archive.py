"""Model files of the local algorithms: NumPy arrays with the name of their format."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def load(path: Path, expected: str) -> dict[str, npt.NDArray[Any]]:
    """Load the arrays of a model file. Raises :class:`ValueError` if it has another format."""
    if not path.is_file():
        raise FileNotFoundError(f"no model file {path.name} in {path.parent}")
    foreign = ValueError(
        f"{path.name} was not saved by the local algorithm ({expected}); models trained by AWS's "
        "implementation cannot be served locally: train the model in the local cloud"
    )
    if not zipfile.is_zipfile(path):
        raise foreign
    try:
        with np.load(path, allow_pickle=False) as arrays:
            contents = dict(arrays)
    except (ValueError, zipfile.BadZipFile):
        raise foreign from None
    if str(contents.pop("format", "")) != expected:
        raise foreign
    return contents
