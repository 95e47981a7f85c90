"""Errors that constructs raise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from constructs import IConstruct


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: the name of the rule that was broken, and a sentence."""

    code: str
    message: str


class ConfigurationError(ValueError):
    """A construct was given something it cannot provision.

    Attributes:
        code: Stable name of the rule that was broken; ``SeveralFaults`` if there were several.
        path: Path of the construct in the tree, or the name of the value.
        faults: All that is wrong, each with its code and message.

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
        """One error for all faults of one construct; at least one."""
        if len(faults) == 1:
            return cls(faults[0].code, path, faults[0].message)
        lines = [f"  {fault.code}: {fault.message}" for fault in faults]
        error = cls(
            "SeveralFaults", path, "\n".join([f"{len(faults)} values cannot be used", *lines])
        )
        error.faults = tuple(faults)
        return error
