"""Builds the functions that start and conclude jobs."""

from __future__ import annotations

from collections.abc import Mapping

from sageloop_runtime.aws.alerts import AlertPublisher
from sageloop_runtime.aws.clients import Clients
from sageloop_runtime.aws.custom_resource import Action
from sageloop_runtime.aws.metrics import Metrics
from sageloop_runtime.aws.state_table import StateTable
from sageloop_runtime.config import JobChangeConfig, StartConfig
from sageloop_runtime.gate.gate_evaluation import GateEvaluator
from sageloop_runtime.gate.hold_out import HoldOut
from sageloop_runtime.jobs.job_change import JobChange
from sageloop_runtime.jobs.job_resource import JobResource
from sageloop_runtime.jobs.job_starter import JobStarter
from sageloop_runtime.serving.model_registry import ModelRegistry

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


def _alerts(
    topic: str | None, table: StateTable, metrics: Metrics, clients: Clients
) -> AlertPublisher | None:
    if topic is None:
        return None
    return AlertPublisher(sns=clients("sns"), topic=topic, table=table, metrics=metrics)
