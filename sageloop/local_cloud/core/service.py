"""Base class of the cloud's own services, whose methods are AWS operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sageloop.local_cloud.core.operations import Call, Operations, operation

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

__all__ = ["Call", "Service", "operation"]


class Service(Operations):
    """Base of the cloud's own services.

    A subclass sets ``model`` to its botocore service and marks its methods with :func:`operation`.
    A method returns the members of the output shape as a dictionary (or ``None`` for an empty
    response, or a ``Response``) and raises ``AwsError``.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        super().__init__()
