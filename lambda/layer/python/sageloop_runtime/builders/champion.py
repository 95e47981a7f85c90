"""Builds the functions that promote champions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sageloop_runtime.aws.alerts import AlertPublisher
from sageloop_runtime.aws.clients import Clients
from sageloop_runtime.aws.custom_resource import Action
from sageloop_runtime.aws.metrics import Metrics
from sageloop_runtime.aws.state_table import StateTable
from sageloop_runtime.champion.endpoint_resource import ChampionEndpointResource
from sageloop_runtime.champion.manual_request import ManualRequestHandler
from sageloop_runtime.champion.promotion import Promoter
from sageloop_runtime.config import PromoteConfig
from sageloop_runtime.errors import BadInputError
from sageloop_runtime.previous_release import present_source, variable
from sageloop_runtime.scaling.variant_scaling import VariantScaling
from sageloop_runtime.serving.endpoint import EndpointResources
from sageloop_runtime.serving.model_registry import ModelRegistry
from sageloop_runtime.times import event_time

Environment = Mapping[str, str]

_NAMESPACE = "sageloop"


def promote(environment: Environment, clients: Clients, event: Mapping[str, Any]) -> dict[str, str]:
    """Handle an event of promote: one of SageMaker, or a manual request."""
    if present_source(event.get("source")) == "manual":
        return _manual_requests(environment, clients).handle(event)
    return {"step": configured_promoter(environment, clients).converge(event_time(event))}


def champion_endpoint_actions(
    environment: Environment, clients: Clients, function_arn: str, **more: Any
) -> dict[str, Action]:
    """champion_endpoint_resource."""
    table = StateTable(clients("dynamodb"), environment["STATE_TABLE"])
    topic = variable(environment, "ALERT_TOPIC_ARN")
    if topic is None:
        raise BadInputError("the environment variable ALERT_TOPIC_ARN is not set")
    resource = ChampionEndpointResource(
        table=table,
        sagemaker=clients("sagemaker"),
        ec2=clients("ec2"),
        functions=clients("lambda"),
        scaling=VariantScaling(clients("application-autoscaling")),
        promoter_for=lambda endpoint: _promoter(
            endpoint, table, clients, group="", topic=topic, namespace=_NAMESPACE
        ),
        function_arn=function_arn,
        **more,
    )
    return {"Create": resource.create, "Update": resource.update, "Delete": resource.delete}


def configured_promoter(environment: Environment, clients: Clients) -> Promoter:
    """The promoter of the function's endpoint."""
    config = PromoteConfig.read(environment)
    return _promoter(
        config.endpoint_name,
        StateTable(clients("dynamodb"), config.state_table),
        clients,
        group=config.model_package_group,
        topic=config.alert_topic,
        namespace=config.metric_namespace,
    )


def _manual_requests(environment: Environment, clients: Clients) -> ManualRequestHandler:
    config = PromoteConfig.read(environment)
    return ManualRequestHandler(
        config.endpoint_name,
        table=StateTable(clients("dynamodb"), config.state_table),
        registry=ModelRegistry(clients("sagemaker"), config.model_package_group),
        promoter=configured_promoter(environment, clients),
    )


def _promoter(
    endpoint: str, table: StateTable, clients: Clients, *, group: str, topic: str, namespace: str
) -> Promoter:
    metrics = Metrics(clients("cloudwatch"), namespace)
    return Promoter(
        endpoint,
        table=table,
        registry=ModelRegistry(clients("sagemaker"), group),
        endpoint=EndpointResources(clients("sagemaker"), endpoint),
        scaling=VariantScaling(clients("application-autoscaling")),
        cloudwatch=clients("cloudwatch"),
        metrics=metrics,
        alerts=AlertPublisher(sns=clients("sns"), topic=topic, table=table, metrics=metrics),
    )
