"""Errors that constructs raise."""

from __future__ import annotations

from constructs import IConstruct


class ConfigurationError(ValueError):
    """A construct was given something it cannot provision.

    Attributes:
        code: Stable name of the rule that was broken.
        path: Path of the construct in the tree, or the name of the value.

    Example:
        >>> raise ConfigurationError("ValueOutOfRange", "Demo/Endpoint", "weight must be >= 0")
        Traceback (most recent call last):
        constructs_lib._private.errors.ConfigurationError: [Demo/Endpoint] ValueOutOfRange: ...

    """

    def __init__(self, code: str, path: IConstruct | str, message: str) -> None:
        self.code = code
        self.path = path if isinstance(path, str) else path.node.path
        super().__init__(f"[{self.path}] {code}: {message}")
