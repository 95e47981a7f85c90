"""How a service of the local cloud is written: a class whose methods are operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sageloop.local_cloud.core.operations import Call, Operations, operation

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

__all__ = ["Call", "Service", "operation"]


class Service(Operations):
    """Base of the cloud's own services.

    A subclass names the botocore service it speaks for in ``model`` and marks its methods
    with :func:`operation`. A method returns the output shape's members as a dictionary (or
    ``None`` for an empty answer, or a ready ``Response``) and raises ``AwsError``.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        super().__init__()
