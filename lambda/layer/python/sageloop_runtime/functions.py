"""The Lambda functions, built from their parts: the one module that handlers import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sageloop_runtime.aws.alerts import AlertPublisher
from sageloop_runtime.aws.clients import Clients, single_attempt_client
from sageloop_runtime.aws.custom_resource import Action, run
from sageloop_runtime.aws.default_security_group import DefaultSecurityGroup
from sageloop_runtime.aws.metrics import Metrics
from sageloop_runtime.aws.state_table import StateTable
from sageloop_runtime.champion.endpoint_resource import ChampionEndpointResource
from sageloop_runtime.champion.manual_request import ManualRequestHandler
from sageloop_runtime.champion.promotion import Promoter
from sageloop_runtime.config import (
    EndpointScheduleConfig,
    EvaluateConfig,
    InvokeProxyConfig,
    JobChangeConfig,
    PromoteConfig,
    ReconcileConfig,
    StartConfig,
)
from sageloop_runtime.errors import BadInputError
from sageloop_runtime.gate.gate_evaluation import GateEvaluator
from sageloop_runtime.gate.hold_out import HoldOut
from sageloop_runtime.jobs.job_change import JobChange
from sageloop_runtime.jobs.job_resource import JobResource
from sageloop_runtime.jobs.job_starter import JobStarter
from sageloop_runtime.jobs.reconciler import Reconciler
from sageloop_runtime.monitoring.capture import HourlyFiles
from sageloop_runtime.monitoring.evaluation import ModelQualityEvaluator
from sageloop_runtime.previous_release import present_source, variable
from sageloop_runtime.scaling.endpoint_schedule import EndpointSchedule
from sageloop_runtime.scaling.policy_alarms import PolicyAlarms
from sageloop_runtime.scaling.scalable_targets import ScalableTargets
from sageloop_runtime.scaling.scaled_variants import ScaledVariants
from sageloop_runtime.scaling.variant_scaling import VariantScaling
from sageloop_runtime.serving.endpoint import EndpointResources
from sageloop_runtime.serving.invoke_proxy import InvokeProxy
from sageloop_runtime.serving.model_registry import ModelRegistry
from sageloop_runtime.times import event_time

__all__ = [
    "Clients", "HourlyFiles", "champion_endpoint_actions", "default_security_group_actions",
    "endpoint_schedule", "evaluator", "invoke_proxy", "job_actions", "job_change", "job_starter",
    "promote", "reconciler", "run", "scaled_variants", "scaling_actions", "single_attempt_client",
]  # fmt: skip

Environment = Mapping[str, str]

_NAMESPACE = "sageloop"


def job_starter(environment: Environment, clients: Clients) -> JobStarter:
    """start_training."""
    config = StartConfig.read(environment)
    table = StateTable(clients("dynamodb"), config.state_table)
    metrics = Metrics(clients("cloudwatch"), config.metric_namespace)
    return JobStarter(
        config,
        table=table,
        s3=clients("s3"),
        sagemaker=clients("sagemaker"),
        cloudwatch=clients("cloudwatch"),
        metrics=metrics,
        alerts=_alerts(config.alert_topic, table, metrics, clients),
    )


def _alerts(
    topic: str | None, table: StateTable, metrics: Metrics, clients: Clients
) -> AlertPublisher | None:
    if topic is None:
        return None
    return AlertPublisher(sns=clients("sns"), topic=topic, table=table, metrics=metrics)


def job_change(environment: Environment, clients: Clients) -> JobChange:
    """on_job_change."""
    config = JobChangeConfig.read(environment)
    table = StateTable(clients("dynamodb"), config.state_table)
    metrics = Metrics(clients("cloudwatch"), config.metric_namespace)
    return JobChange(
        config,
        table=table,
        sagemaker=clients("sagemaker"),
        metrics=metrics,
        gate=_gate(config, table, clients),
        functions=None if config.start_function is None else clients("lambda"),
        alerts=_alerts(config.alert_topic, table, metrics, clients),
    )


def _gate(config: JobChangeConfig, table: StateTable, clients: Clients) -> GateEvaluator | None:
    gate = config.gate
    if gate is None:
        return None
    hold_out = HoldOut(
        s3=clients("s3"), runtime=clients("sagemaker-runtime"), content_type=gate.content_type
    )
    return GateEvaluator(
        gate,
        job=config.job,
        table=table,
        sagemaker=clients("sagemaker"),
        s3=clients("s3"),
        hold_out=hold_out,
        registry=ModelRegistry(clients("sagemaker"), gate.model_package_group),
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


def _configured_promoter(environment: Environment, clients: Clients) -> Promoter:
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
        promoter=_configured_promoter(environment, clients),
    )


def promote(environment: Environment, clients: Clients, event: Mapping[str, Any]) -> dict[str, str]:
    """Handle an event of promote: one of SageMaker, or a manual request."""
    if present_source(event.get("source")) == "manual":
        return _manual_requests(environment, clients).handle(event)
    return {"step": _configured_promoter(environment, clients).converge(event_time(event))}


def evaluator(
    environment: Environment, clients: Clients, files: HourlyFiles
) -> ModelQualityEvaluator:
    """evaluate; ``files`` is kept between invocations, so that each file is read once."""
    config = EvaluateConfig.read(environment)
    return ModelQualityEvaluator(
        config,
        table=StateTable(clients("dynamodb"), config.state_table),
        files=files,
        metrics=Metrics(clients("cloudwatch"), config.metric_namespace),
    )


def reconciler(environment: Environment, clients: Clients) -> Reconciler:
    """Reconcile."""
    config = ReconcileConfig.read(environment)
    table = StateTable(clients("dynamodb"), config.start.state_table)
    metrics = Metrics(clients("cloudwatch"), config.start.metric_namespace)
    topic = config.promote.alert_topic
    return Reconciler(
        config,
        table=table,
        sagemaker=clients("sagemaker"),
        cloudwatch=clients("cloudwatch"),
        functions=clients("lambda"),
        promote=_configured_promoter(environment, clients).converge,
        alerts=AlertPublisher(sns=clients("sns"), topic=topic, table=table, metrics=metrics),
    )


def endpoint_schedule(environment: Environment, clients: Clients) -> EndpointSchedule:
    """endpoint_schedule."""
    config = EndpointScheduleConfig.read(environment)
    name = config.endpoint_name
    alarms = PolicyAlarms(clients("cloudwatch"), name)
    autoscaling = clients("application-autoscaling")
    return EndpointSchedule(
        config,
        table=StateTable(clients("dynamodb"), config.state_table),
        sagemaker=clients("sagemaker"),
        cloudwatch=clients("cloudwatch"),
        functions=clients("lambda"),
        targets=ScalableTargets(autoscaling, name, list(config.variants), alarms=alarms),
    )


def invoke_proxy(environment: Environment, clients: Clients) -> InvokeProxy:
    """invoke_proxy."""
    config = InvokeProxyConfig.read(environment)
    return InvokeProxy(config, runtime=clients("sagemaker-runtime"))


def job_actions(environment: Environment, clients: Clients) -> dict[str, Action]:
    """job_resource."""
    name = environment["STATE_TABLE"]
    resource = JobResource(
        name,
        table=StateTable(clients("dynamodb"), name),
        s3=clients("s3"),
        sagemaker=clients("sagemaker"),
        metrics=Metrics(clients("cloudwatch"), _NAMESPACE),
    )
    return {"Create": resource.create, "Update": resource.update, "Delete": resource.delete}


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


def scaled_variants(clients: Clients) -> ScaledVariants:
    """scaling_resource, invoked by a schedule or an event of the endpoint."""
    return ScaledVariants(
        sagemaker=clients("sagemaker"),
        autoscaling=clients("application-autoscaling"),
        cloudwatch=clients("cloudwatch"),
    )


def scaling_actions(clients: Clients) -> dict[str, Action]:
    """scaling_resource, invoked by CloudFormation."""
    resource = scaled_variants(clients)
    return {"Create": resource.create, "Update": resource.update, "Delete": resource.delete}


def default_security_group_actions(clients: Clients) -> dict[str, Action]:
    """default_security_group_resource."""
    resource = DefaultSecurityGroup(clients("ec2"))
    return {"Create": resource.close, "Update": resource.close, "Delete": resource.delete}
