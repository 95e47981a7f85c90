"""Builds the functions that scale, stop and start endpoints."""

from __future__ import annotations

from collections.abc import Mapping

from sageloop_runtime.aws.clients import Clients
from sageloop_runtime.aws.custom_resource import Action
from sageloop_runtime.aws.state_table import StateTable
from sageloop_runtime.config import EndpointScheduleConfig
from sageloop_runtime.scaling.endpoint_schedule import EndpointSchedule
from sageloop_runtime.scaling.policy_alarms import PolicyAlarms
from sageloop_runtime.scaling.scalable_targets import ScalableTargets
from sageloop_runtime.scaling.scaled_variants import ScaledVariants

Environment = Mapping[str, str]


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
