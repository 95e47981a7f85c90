"""Model registry and champion endpoint."""

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
from .inference_api import inference_api
from .settings import Settings
from .values import canary, variant


class ServingStack(ProjectStack):
    """Stack of the model registry, the champion endpoint and its inference API."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        data: DataStack,
        **kwargs: Any,
    ) -> None:
        """Define the resources; ``kwargs`` are arguments of ``Stack``."""
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
            reason = (
                "the settings choose one instance: half the cost, without redundancy across zones"
            )
            acknowledgment = Acknowledgment(id="SageMaker.4", reason=reason)
            Validations.of(self.endpoint.resource).acknowledge(acknowledgment)
        self.inference_api = inference_api(self, settings, data=data, endpoint=self.endpoint)
        if self.inference_api is not None:
            CfnOutput(self, "InferenceApiUrl", value=self.inference_api.url)
        CfnOutput(self, "EndpointName", value=settings.name)
        CfnOutput(self, "ModelPackageGroup", value=self.registry.group_name)
