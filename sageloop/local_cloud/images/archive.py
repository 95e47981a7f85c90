"""Model files of the stand-ins: arrays with the name of their format."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def load(path: Path, expected: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a model file. Raises :class:`ValueError` if it is not of the format."""
    if not path.is_file():
        raise FileNotFoundError(f"no model file {path.name} in {path.parent}")
    foreign = ValueError(
        f"{path.name} was not saved by the local stand-in ({expected}); models trained by AWS's "
        "own implementation cannot be served here: train the model in the local cloud"
    )
    if not zipfile.is_zipfile(path):
        raise foreign
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = dict(arrays)
    except (ValueError, zipfile.BadZipFile):
        raise foreign from None
    if str(found.pop("format", "")) != expected:
        raise foreign
    return found
