"""Registry and endpoint."""

from __future__ import annotations

from typing import Any

from aws_cdk import Acknowledgment, CfnOutput, Duration, Validations
from constructs import Construct

from constructs_lib import (
    AlgorithmImage,
    ChampionEndpoint,
    DataCapture,
    HostingRole,
    ModelRegistry,
)

from .base import ProjectStack
from .data import DataStack
from .inference_api import front
from .settings import Settings
from .values import canary, variant


class ServingStack(ProjectStack):
    """The champion's endpoint."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        data: DataStack,
        **kwargs: Any,
    ) -> None:
        """Wire the endpoint; ``kwargs`` are the stack's."""
        super().__init__(scope, construct_id, settings=settings, **kwargs)
        serving = settings.serving
        image = AlgorithmImage.xgboost(self, settings.training.version)
        self.registry = ModelRegistry(self, "Registry", name=settings.name)
        self.role = HostingRole(
            self, "Role", key=data.store.key, repository_arns=[image.repository_arn]
        )
        self.endpoint = ChampionEndpoint(
            self,
            "Endpoint",
            endpoint_name=settings.name,
            registry=self.registry,
            store=data.store,
            state=data.state,
            network=data.network,
            role=self.role,
            alert_topic=data.alerts.topic,
            variants=[variant(serving)],
            capture=DataCapture(
                percentage=serving.capture.percentage, prefix=serving.capture.prefix
            ),
            rollout=canary(serving),
            rollback_latency=Duration.millis(serving.rollback_latency_ms),
        )
        if serving.instance_count < 2:
            reason = "one instance by the settings: half the price, and its zone's faults are felt"
            acknowledgment = Acknowledgment(id="SageMaker.4", reason=reason)
            Validations.of(self.endpoint.resource).acknowledge(acknowledgment)
        self.front = front(self, settings, data=data, endpoint=self.endpoint)
        if self.front is not None:
            CfnOutput(self, "FrontUrl", value=self.front.url)
        CfnOutput(self, "EndpointName", value=settings.name)
        CfnOutput(self, "ModelPackageGroup", value=self.registry.group_name)
