"""Interface between the engine and resource providers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourceRequest:
    """One create, update or delete of a resource.

    ``properties`` are resolved (without intrinsic functions). ``previous`` holds the last applied
    properties on update and delete, ``physical_id`` and ``attributes`` the results of create.
    ``client(service)`` returns a boto3 client of the deployment's role.
    ``unique_name(max_length=…)`` returns a physical name in CloudFormation's form
    (``stack-logical-SUFFIX``), the same one within a request.
    """

    cloud: Cloud
    type_name: str
    logical_id: str
    stack_id: str
    stack_name: str
    account_id: str
    region: str
    properties: dict[str, Any]
    previous: dict[str, Any] = field(default_factory=dict)
    physical_id: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    client: Callable[[str], Any]
    unique_name: Callable[..., str]


@dataclass(frozen=True, slots=True)
class Resource:
    """A created resource: the value of ``Ref``, and those of ``Fn::GetAtt`` by name.

    With ``no_echo`` the attributes are masked where they are shown.
    """

    physical_id: str
    attributes: dict[str, Any] = field(default_factory=dict)
    no_echo: bool = False


class Provider(Protocol):
    """Creates, updates in place and deletes resources of one type.

    Methods raise ``botocore.exceptions.ClientError`` or ``AwsError``; the message becomes the
    resource's status reason. ``delete`` of a resource that no longer exists succeeds.
    """

    def create(self, request: ResourceRequest) -> Resource:
        """Create the resource."""
        ...

    def update(self, request: ResourceRequest) -> Resource:
        """Update it in place; only called when no create-only property changed."""
        ...

    def delete(self, request: ResourceRequest) -> None:
        """Delete it."""
        ...
