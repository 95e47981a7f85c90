"""EventBridge events of endpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.hosting.describe import describe, pending

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.hosting.live import LiveEndpoint

_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")


class EndpointEventPublisher:
    """Publishes state change events in SageMaker's formats."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def endpoint(self, document: Mapping[str, Any], live: LiveEndpoint | None) -> None:
        """Publish the status of an endpoint."""
        detail = self._detail(document, live)
        self._account.emit("SageMaker Endpoint State Change", detail, detail["EndpointArn"])

    def deployment(self, document: Mapping[str, Any], live: LiveEndpoint) -> None:
        """Publish the current step of a deployment."""
        progress = live.progress
        if progress is None:
            return
        detail = self._detail(document, live)
        detail["PendingDeploymentSummary"] = pending(progress)
        self._account.emit(
            "SageMaker Endpoint Deployment State Change", detail, detail["EndpointArn"]
        )

    def endpoint_config(self, document: Mapping[str, Any]) -> None:
        """Publish that an endpoint configuration was created."""
        arn = document["EndpointConfigArn"]
        detail = {
            "EndpointConfigName": document["EndpointConfigName"],
            "EndpointConfigArn": arn,
            "ProductionVariants": document["ProductionVariants"],
            "CreationTime": document["CreationTime"],
            "Tags": self._tags(arn),
        }
        self._account.emit("SageMaker Endpoint Config State Change", detail, arn)

    def _detail(self, document: Mapping[str, Any], live: LiveEndpoint | None) -> dict[str, Any]:
        whole = describe(document, live)
        return {
            "EndpointName": whole["EndpointName"],
            "EndpointArn": whole["EndpointArn"],
            "EndpointConfigName": whole["EndpointConfigName"],
            "ProductionVariants": whole.get("ProductionVariants"),
            "DataCaptureConfig": whole.get("DataCaptureConfig"),
            "EndpointStatus": upper_snake_case(whole["EndpointStatus"]),
            "FailureReason": whole.get("FailureReason"),
            "CreationTime": whole["CreationTime"],
            "LastModifiedTime": whole["LastModifiedTime"],
            "Tags": self._tags(whole["EndpointArn"]),
        }

    def _tags(self, arn: str) -> dict[str, str]:
        try:
            return self._account.store.tags(arn)
        except AwsError:
            return {}


def upper_snake_case(status: str) -> str:
    """A status in the format of events: ``InService`` becomes ``IN_SERVICE``."""
    return _WORD_START.sub("_", status).upper()
