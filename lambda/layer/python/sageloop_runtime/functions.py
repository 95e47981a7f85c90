"""The functions, put together from their parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sageloop_runtime.asking import Asker
from sageloop_runtime.capture import Files
from sageloop_runtime.champion_resource import ChampionResource
from sageloop_runtime.clients import Clients
from sageloop_runtime.config import (
    AskConfig,
    EvaluateConfig,
    JobChangeConfig,
    PromoteConfig,
    ReconcileConfig,
    StartConfig,
    SwitchConfig,
)
from sageloop_runtime.cost_switch import CostSwitch
from sageloop_runtime.custom_resource import Action
from sageloop_runtime.endpoints import Endpoints
from sageloop_runtime.evaluation import Evaluator
from sageloop_runtime.hand import Hand
from sageloop_runtime.holdout import HoldOut
from sageloop_runtime.job_change import JobChange
from sageloop_runtime.job_resource import JobResource
from sageloop_runtime.judging import Judge
from sageloop_runtime.metrics import Metrics
from sageloop_runtime.paging import Pager
from sageloop_runtime.policy_alarms import PolicyAlarms
from sageloop_runtime.promotion import Promoter
from sageloop_runtime.reconciler import Reconciler
from sageloop_runtime.registry import Registry
from sageloop_runtime.scaled_variants import ScaledVariants
from sageloop_runtime.scaling import Scaling
from sageloop_runtime.security_group import DefaultSecurityGroup
from sageloop_runtime.starter import Starter
from sageloop_runtime.state import StateTable
from sageloop_runtime.switch_targets import Targets
from sageloop_runtime.times import event_time

Environment = Mapping[str, str]

_NAMESPACE = "sageloop"


def starter(environment: Environment, clients: Clients) -> Starter:
    """start_training."""
    config = StartConfig.read(environment)
    table = StateTable(clients("dynamodb"), config.state_table)
    metrics = Metrics(clients("cloudwatch"), config.metric_namespace)
    return Starter(
        config,
        table=table,
        s3=clients("s3"),
        sagemaker=clients("sagemaker"),
        cloudwatch=clients("cloudwatch"),
        metrics=metrics,
        pager=_pager(config.page_topic, table, metrics, clients),
    )


def _pager(
    topic: str | None, table: StateTable, metrics: Metrics, clients: Clients
) -> Pager | None:
    if topic is None:
        return None
    return Pager(sns=clients("sns"), topic=topic, table=table, metrics=metrics)


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
        judge=_judge(config, table, clients),
        functions=None if config.start_function is None else clients("lambda"),
        pager=_pager(config.page_topic, table, metrics, clients),
    )


def _judge(config: JobChangeConfig, table: StateTable, clients: Clients) -> Judge | None:
    gate = config.judge
    if gate is None:
        return None
    hold_out = HoldOut(
        s3=clients("s3"), runtime=clients("sagemaker-runtime"), content_type=gate.content_type
    )
    return Judge(
        gate,
        job=config.job,
        table=table,
        sagemaker=clients("sagemaker"),
        s3=clients("s3"),
        hold_out=hold_out,
        registry=Registry(clients("sagemaker"), gate.model_package_group),
    )


def _promoter(
    endpoint: str, table: StateTable, clients: Clients, *, group: str, topic: str, namespace: str
) -> Promoter:
    metrics = Metrics(clients("cloudwatch"), namespace)
    return Promoter(
        endpoint,
        table=table,
        registry=Registry(clients("sagemaker"), group),
        endpoints=Endpoints(clients("sagemaker"), endpoint),
        scaling=Scaling(clients("application-autoscaling")),
        cloudwatch=clients("cloudwatch"),
        metrics=metrics,
        pager=Pager(sns=clients("sns"), topic=topic, table=table, metrics=metrics),
    )


def promoter(environment: Environment, clients: Clients) -> Promoter:
    """Promote."""
    config = PromoteConfig.read(environment)
    return _promoter(
        config.endpoint_name,
        StateTable(clients("dynamodb"), config.state_table),
        clients,
        group=config.model_package_group,
        topic=config.page_topic,
        namespace=config.metric_namespace,
    )


def hand(environment: Environment, clients: Clients) -> Hand:
    """Promote, asked by a person."""
    config = PromoteConfig.read(environment)
    return Hand(
        config.endpoint_name,
        table=StateTable(clients("dynamodb"), config.state_table),
        registry=Registry(clients("sagemaker"), config.model_package_group),
        promoter=promoter(environment, clients),
    )


def promote(environment: Environment, clients: Clients, event: Mapping[str, Any]) -> dict[str, str]:
    """Promote, whoever calls: an event of SageMaker, or a person."""
    if event.get("source") == "hand":
        return hand(environment, clients).handle(event)
    return {"step": promoter(environment, clients).converge(event_time(event))}


def evaluator(environment: Environment, clients: Clients, files: Files) -> Evaluator:
    """evaluate; ``files`` outlives the invocation, so that each is read once."""
    config = EvaluateConfig.read(environment)
    return Evaluator(
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
    return Reconciler(
        config,
        table=table,
        sagemaker=clients("sagemaker"),
        cloudwatch=clients("cloudwatch"),
        functions=clients("lambda"),
        promoter=promoter(environment, clients),
        pager=Pager(
            sns=clients("sns"), topic=config.promote.page_topic, table=table, metrics=metrics
        ),
    )


def cost_switch(environment: Environment, clients: Clients) -> CostSwitch:
    """cost_switch."""
    config = SwitchConfig.read(environment)
    name = config.endpoint_name
    alarms = PolicyAlarms(clients("cloudwatch"), name)
    autoscaling = clients("application-autoscaling")
    targets = Targets(autoscaling, name, list(config.variants), alarms=alarms)
    return CostSwitch(
        config,
        table=StateTable(clients("dynamodb"), config.state_table),
        sagemaker=clients("sagemaker"),
        cloudwatch=clients("cloudwatch"),
        functions=clients("lambda"),
        targets=targets,
    )


def asker(environment: Environment, clients: Clients) -> Asker:
    """ask_endpoint."""
    return Asker(AskConfig.read(environment), runtime=clients("sagemaker-runtime"))


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
    topic = environment["PAGE_TOPIC_ARN"]
    resource = ChampionResource(
        table=table,
        sagemaker=clients("sagemaker"),
        ec2=clients("ec2"),
        functions=clients("lambda"),
        scaling=Scaling(clients("application-autoscaling")),
        promoter_for=lambda endpoint: _promoter(
            endpoint, table, clients, group="", topic=topic, namespace=_NAMESPACE
        ),
        function_arn=function_arn,
        **more,
    )
    return {"Create": resource.create, "Update": resource.update, "Delete": resource.delete}


def scaled_variants(clients: Clients) -> ScaledVariants:
    """scaling_resource, asked by the clock or an event."""
    return ScaledVariants(
        sagemaker=clients("sagemaker"),
        autoscaling=clients("application-autoscaling"),
        cloudwatch=clients("cloudwatch"),
    )


def scaling_actions(clients: Clients) -> dict[str, Action]:
    """scaling_resource, asked by CloudFormation."""
    resource = scaled_variants(clients)
    return {"Create": resource.create, "Update": resource.update, "Delete": resource.delete}


def default_security_group_actions(clients: Clients) -> dict[str, Action]:
    """default_security_group_resource."""
    resource = DefaultSecurityGroup(clients("ec2"))
    return {"Create": resource.close, "Update": resource.close, "Delete": resource.leave}
