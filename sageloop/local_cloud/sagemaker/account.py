"""What every section of SageMaker's API works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.sagemaker.store import SageMakerStore
from sageloop.local_cloud.sagemaker.timestamps import in_milliseconds

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud


class Account:
    """SageMaker's resources in one account of a cloud, and the events that tell of them."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.store = SageMakerStore(cloud)

    def emit(self, detail_type: str, detail: dict[str, Any], arn: str) -> None:
        """Send an event of SageMaker's to the default bus, times in milliseconds."""
        if self.cloud.services.has("events"):
            sent = in_milliseconds(detail)
            self.cloud.services.events.emit("aws.sagemaker", detail_type, sent, resources=[arn])
