"""Builds the reconciler of a loop."""

from __future__ import annotations

from collections.abc import Mapping

from sageloop_runtime.aws.alerts import AlertPublisher
from sageloop_runtime.aws.clients import Clients
from sageloop_runtime.aws.metrics import Metrics
from sageloop_runtime.aws.state_table import StateTable
from sageloop_runtime.builders.champion import configured_promoter
from sageloop_runtime.config import ReconcileConfig
from sageloop_runtime.reconciliation.loop_checks import LoopChecks
from sageloop_runtime.reconciliation.reconciler import Reconciler

Environment = Mapping[str, str]


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
        promote=configured_promoter(environment, clients).converge,
        checks=LoopChecks(
            job=config.start.job,
            endpoint=config.promote.endpoint_name,
            alarm=config.start.alarm_name,
            rules=config.rules,
            table=table,
            clients=clients,
        ),
        alerts=AlertPublisher(sns=clients("sns"), topic=topic, table=table, metrics=metrics),
    )
