"""API calls, and methods that implement AWS operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sageloop.local_cloud.access.caller import Caller
from sageloop.local_cloud.core.errors import not_supported
from sageloop.local_cloud.core.wire import Response

if TYPE_CHECKING:
    from moto.core.request import Request

_Method = TypeVar("_Method", bound=Callable[..., Any])
_MARK, _EXECUTED = "__aws_operation__", "_aws_operation_executed"


@dataclass(frozen=True, slots=True)
class Call:
    """One API call, as the method of an operation receives it."""

    service: str
    operation: str
    params: dict[str, Any]
    caller: Caller
    region: str
    account_id: str
    request: Request = field(repr=False)

    @property
    def principal(self) -> str:
        """The caller: an ARN, a service's name or ``anonymous``."""
        return self.caller.name


def operation(name: str, *, executed: bool = True) -> Callable[[_Method], _Method]:
    """Mark a method ``(self, call: Call) -> dict | Response | None`` as an AWS operation.

    Args:
        name: Name of the operation.
        executed: Whether it is carried out; False for a method that only refuses, in words of its
            own.

    """

    def mark(method: _Method) -> _Method:
        setattr(method, _MARK, name)
        setattr(method, _EXECUTED, executed)
        return method

    return mark


class Operations:
    """Implements the operations of one botocore service, named in ``model``."""

    model: ClassVar[str]

    def __init__(self) -> None:
        self._operations: dict[str, Callable[[Call], dict[str, Any] | Response | None]] = {}
        self._refused: set[str] = set()
        self.include(self)

    def include(self, section: object) -> None:
        """Serve the marked methods of another object too, so that a service can be split."""
        for attribute in dir(type(section)):
            method = getattr(type(section), attribute, None)
            name = getattr(method, _MARK, None)
            if name:
                self._operations[name] = getattr(section, attribute)
            if name and not getattr(method, _EXECUTED):
                self._refused.add(name)

    @property
    def operations(self) -> list[str]:
        """Names of the operations that are carried out."""
        return sorted(self._operations.keys() - self._refused)

    def method(self, operation: str) -> Callable[[Call], dict[str, Any] | Response | None]:
        """The method of an operation. Raises ``KeyError`` for one that is not implemented."""
        return self._operations[operation]

    def handle(self, call: Call) -> dict[str, Any] | Response | None:
        """Execute a call. Raises ``AwsError`` for an operation that is not implemented."""
        method = self._operations.get(call.operation)
        if method is None:
            raise not_supported(self.model, call.operation)
        return method(call)

    def start(self) -> None:
        """Called once when the cloud starts."""

    def stop(self) -> None:
        """Called once when the cloud stops; must end everything that the service runs."""
