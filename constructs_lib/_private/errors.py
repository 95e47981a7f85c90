"""Errors that constructs raise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from constructs import IConstruct


@dataclass(frozen=True, slots=True)
class Fault:
    """One error: the name of the violated rule, and a message."""

    code: str
    message: str


class ConfigurationError(ValueError):
    """The arguments of a construct are invalid.

    Attributes:
        code: Stable name of the violated rule; ``SeveralFaults`` for several errors.
        path: Path of the construct, or the name of the value.
        faults: The errors, each with code and message.

    Example:
        >>> raise ConfigurationError("ValueOutOfRange", "Demo/Endpoint", "weight must be >= 0")
        Traceback (most recent call last):
        constructs_lib._private.errors.ConfigurationError: [Demo/Endpoint] ValueOutOfRange: ...

    """

    def __init__(self, code: str, path: IConstruct | str, message: str) -> None:
        self.code = code
        self.path = path if isinstance(path, str) else path.node.path
        self.faults: tuple[Fault, ...] = (Fault(code, message),)
        super().__init__(f"[{self.path}] {code}: {message}")

    @classmethod
    def of(cls, path: IConstruct | str, faults: Sequence[Fault]) -> ConfigurationError:
        """One exception for one or more errors of a construct."""
        if len(faults) == 1:
            return cls(faults[0].code, path, faults[0].message)
        lines = [f"  {fault.code}: {fault.message}" for fault in faults]
        error = cls(
            "SeveralFaults", path, "\n".join([f"{len(faults)} values cannot be used", *lines])
        )
        error.faults = tuple(faults)
        return error
