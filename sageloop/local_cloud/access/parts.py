"""What the parts of this room ask of the cloud that they belong to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sageloop.local_cloud.access.keys import KeyRing
    from sageloop.local_cloud.core.operations import Call


class IamState(Protocol):
    """The state of IAM in the cloud's account."""

    def iam(self) -> Any:
        """Moto's state of IAM."""
        ...

    def iam_role(self, arn: str) -> Any:
        """Moto's record of a role; ``None`` if there is none of this ARN."""
        ...

    def iam_user(self, arn: str) -> Any:
        """Moto's record of a user; ``None`` if there is none of this ARN."""
        ...


class OperationTable(Protocol):
    """Where operations that moto lacks are installed."""

    def add_operation(
        self, service: str, name: str, operation: Callable[[Call], dict[str, Any]]
    ) -> None:
        """Serve one operation of a service whose state is moto's."""
        ...


class StsParts(IamState, Protocol):
    """What STS asks of the cloud."""

    @property
    def keys(self) -> KeyRing:
        """The access keys that the cloud issued."""
        ...

    @property
    def front(self) -> OperationTable:
        """Where its operations are installed."""
        ...
