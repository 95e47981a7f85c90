"""Code of the functions, from the wheel or from the checkout."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import aws_lambda as lambda_

from .errors import ConfigurationError

# Byte code differs between machines and would change the asset's hash.
_EXCLUDED = ["**/__pycache__", "**/__pycache__/**", "**/*.pyc", "**/*.pyo", "**/.DS_Store"]
_PACKAGE = Path(__file__).resolve().parent.parent


def function_folder(name: str, *, package: Path = _PACKAGE) -> Path:
    """The folder of one function's code.

    Args:
        name: Folder name, for example ``start_training``.
        package: Folder of the package ``constructs_lib``.

    Raises:
        ConfigurationError: If the folder is in neither place.

    """
    places = [package / "_lambda" / name, package.parent / "lambda" / name]
    for place in places:
        if place.is_dir():
            return place
    message = f"no code for {name!r}: searched in {places[0]} (wheel) and {places[1]} (checkout)"
    raise ConfigurationError("FunctionCodeMissing", name, message)


def function_code(name: str) -> lambda_.Code:
    """The code of one function as an asset with a reproducible hash."""
    return lambda_.Code.from_asset(str(function_folder(name)), exclude=_EXCLUDED)
