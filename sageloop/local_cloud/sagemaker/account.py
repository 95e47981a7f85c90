"""The account context that all sections of the SageMaker API share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.sagemaker.store import SageMakerStore
from sageloop.local_cloud.sagemaker.timestamps import in_milliseconds

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud


class Account:
    """SageMaker resources of one account, and the publisher of their EventBridge events."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.store = SageMakerStore(cloud)

    def emit(self, detail_type: str, detail: dict[str, Any], arn: str) -> None:
        """Send a SageMaker event to the default event bus, with times in milliseconds."""
        if self.cloud.services.has("events"):
            sent = in_milliseconds(detail)
            self.cloud.services.events.emit("aws.sagemaker", detail_type, sent, resources=[arn])
