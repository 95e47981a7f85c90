"""Protocols of the cloud's parts that this package uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sageloop.local_cloud.access.caller import Caller
    from sageloop.local_cloud.access.keys import KeyRing
    from sageloop.local_cloud.access.policy import Decision
    from sageloop.local_cloud.access.policy.authorization import Permission
    from sageloop.local_cloud.core.operations import Call


class IamState(Protocol):
    """The state of IAM in the cloud's account."""

    def iam(self) -> Any:
        """Moto's IAM backend."""
        ...

    def iam_role(self, arn: str) -> Any:
        """Moto's role with this ARN, or ``None``."""
        ...

    def iam_user(self, arn: str) -> Any:
        """Moto's user with this ARN, or ``None``."""
        ...


class OperationTable(Protocol):
    """Registers operations that moto lacks."""

    def add_operation(
        self, service: str, name: str, operation: Callable[[Call], dict[str, Any]]
    ) -> None:
        """Register one operation of a service whose state moto keeps."""
        ...


class AccessDecisions(Protocol):
    """Decides single permissions."""

    def keys_of(self, call: Call) -> dict[str, Any]:
        """The global condition keys of a call."""
        ...

    def evaluate(self, caller: Caller, permission: Permission, keys: Mapping[str, Any]) -> Decision:
        """Decide one permission of a caller without a record."""
        ...

    def decide(self, caller: Caller, permission: Permission, keys: Mapping[str, Any]) -> Decision:
        """Decide one permission of a caller, and record the decision."""
        ...


class FederationParts(IamState, Protocol):
    """Parts of the cloud that federation uses."""

    @property
    def authorizer(self) -> AccessDecisions:
        """Decides by trust policies."""
        ...


class StsParts(FederationParts, Protocol):
    """Parts of the cloud that STS uses."""

    @property
    def keys(self) -> KeyRing:
        """The access keys that the cloud issued."""
        ...

    @property
    def front(self) -> OperationTable:
        """Registers its operations."""
        ...
