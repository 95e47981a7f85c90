"""Reads files of packages that contain data, without importing the package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files


class DataMissingError(RuntimeError):
    """The data package is not installed."""


def packaged(package: str, name: str) -> bytes:
    """The content of one file of an installed package.

    Raises:
        DataMissingError: If the package is not installed, or has no such file.

    """
    try:
        listed = files(package)
    except PackageNotFoundError:
        listed = None
    for file in listed or []:
        if file.name == name:
            return file.read_binary()
    raise DataMissingError(
        f"the data package {package} is not installed: pip install 'sageloop[demo]'"
    )
