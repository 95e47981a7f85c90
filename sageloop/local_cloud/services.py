"""The list of the cloud's own services: one line each."""

from __future__ import annotations

from importlib import import_module

from sageloop.local_cloud.core.cloud import Cloud
from sageloop.local_cloud.core.service import Service

_SERVICES = (
    "sageloop.local_cloud.cloudformation.service:CloudFormationService",
    "sageloop.local_cloud.functions.service:LambdaService",
    "sageloop.local_cloud.events.service:EventsService",
    "sageloop.local_cloud.events.scheduler:SchedulerService",
    "sageloop.local_cloud.cloudwatch.service:CloudWatchService",
    "sageloop.local_cloud.scaling.service:ApplicationAutoScalingService",
    "sageloop.local_cloud.sagemaker.service:SageMakerService",
    "sageloop.local_cloud.sagemaker.runtime:SageMakerRuntimeService",
)


def own_services(cloud: Cloud) -> list[Service]:
    """An instance of each service, for ``cloud``."""
    made = []
    for path in _SERVICES:
        module, name = path.split(":")
        made.append(getattr(import_module(module), name)(cloud))
    return made
