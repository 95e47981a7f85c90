"""The list of the cloud's own services, checked against their contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sageloop.local_cloud.cloudformation.service import CloudFormationService
from sageloop.local_cloud.cloudwatch.service import CloudWatchService
from sageloop.local_cloud.core.service import Service
from sageloop.local_cloud.events.scheduler import SchedulerService
from sageloop.local_cloud.events.service import EventsService
from sageloop.local_cloud.functions.service import LambdaService
from sageloop.local_cloud.sagemaker.runtime import SageMakerRuntimeService
from sageloop.local_cloud.sagemaker.service import SageMakerService
from sageloop.local_cloud.scaling.service import ApplicationAutoScalingService
from sageloop.local_cloud.service_quotas.service import ServiceQuotasService

if TYPE_CHECKING:
    from sageloop.local_cloud.core import contracts
    from sageloop.local_cloud.core.cloud import Cloud


def own_services(cloud: Cloud) -> list[Service]:
    """An instance of each service, for ``cloud``."""
    functions, events = LambdaService(cloud), EventsService(cloud)
    cloudwatch, sagemaker = CloudWatchService(cloud), SageMakerService(cloud)
    scaling = ApplicationAutoScalingService(cloud)
    _check_contracts(functions, events, cloudwatch, scaling, sagemaker)
    # Imported one by one: incremental runs of mypy do not check attributes of a service.
    _check_parts(
        cloudwatch.metrics, sagemaker.store, sagemaker.hosting, sagemaker.hosting.components,
        sagemaker.file_systems,
    )  # fmt: skip
    return [
        CloudFormationService(cloud), functions, events, SchedulerService(cloud), cloudwatch,
        scaling, sagemaker, SageMakerRuntimeService(cloud), ServiceQuotasService(cloud),
    ]  # fmt: skip


def _check_contracts(
    functions: contracts.Lambda, events: contracts.EventBridge,
    cloudwatch: contracts.CloudWatch, scaling: contracts.AutoScaling,
    sagemaker: contracts.SageMaker,
) -> None:  # fmt: skip
    """No effect at run time: mypy compares each service with its contract at the call."""


def _check_parts(
    metrics: contracts.Samples, store: contracts.SageMakerResources,
    hosting: contracts.Endpoints, components: contracts.InferenceComponents,
    file_systems: contracts.FileSystems,
) -> None:  # fmt: skip
    """As above, for parts of services."""
