"""The quotas that resources need: instances by type and use, functions, and network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .documents import Resource

# Lambda leaves so many executions to functions that reserve none.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
_UNRESERVED = 100
_TOTALS = {
    "training job": "Number of instances across all training jobs",
    "processing job": "Number of instances across all processing jobs",
    "transform job": "Number of instances across all transform jobs",
    "endpoint": "Number of instances across active endpoints",
    "notebook instance": "Total number of notebook instances",
}
_COUNTED = {
    "AWS::EC2::VPC": ("vpc", "VPCs per Region"),
    "AWS::EC2::EIP": ("ec2", "EC2-VPC Elastic IPs"),
    "AWS::EC2::Subnet": ("vpc", "Subnets per VPC"),
    "AWS::EC2::SecurityGroup": ("vpc", "VPC security groups per Region"),
}


@dataclass(frozen=True, kw_only=True)
class Need:
    """What one resource needs of a quota.

    Attributes:
        service: Service code of the quota.
        quota: Name of the quota.
        amount: The amount.
        resource: Stack and logical id of the resource.

    """

    service: str
    quota: str
    amount: int
    resource: str


@dataclass(frozen=True, kw_only=True)
class Instances:
    """Instances of one type that run at the same time.

    Attributes:
        use: What they are used for, as in the names of quotas: ``training job``.
        instance_type: Their type.
        count: Their number.

    """

    use: str
    instance_type: str
    count: int


def needs_of(resources: Iterable[Resource]) -> list[Need]:
    """What every resource needs, all jobs running at the same time."""
    listed = list(resources)
    capacities = _capacities(listed)
    needs: list[Need] = []
    for name, kind, properties in listed:
        for each in instances_in(kind, properties, capacities):
            needs.extend(_instance_needs(name, each))
        needs.extend(_other_needs(name, kind, properties))
    return [*needs, *_unreserved(needs)]


def instances_in(
    kind: str, properties: Mapping[str, Any], capacities: Mapping[str, int]
) -> Iterator[Instances]:
    """The instances in a resource's properties, at any depth.

    Args:
        kind: Type of the resource.
        properties: Its properties, with documents as values.
        capacities: Maximum capacity by variant, of scalable targets elsewhere.

    """
    if kind == "AWS::SageMaker::NotebookInstance":
        yield _instances("notebook instance", str(properties.get("InstanceType")), 1)
    inside = dict(capacities)
    for found in _objects(properties):
        if "MaxCapacity" in found and "VariantName" in found:
            inside[str(found["VariantName"])] = _whole(found["MaxCapacity"])
    yield from _in_object(properties, inside, parallel=1)


def _in_object(value: Any, capacities: Mapping[str, int], *, parallel: int) -> Iterator[Instances]:
    if isinstance(value, list):
        for each in value:
            yield from _in_object(each, capacities, parallel=parallel)
    if not isinstance(value, dict):
        return
    limits = value.get("HyperParameterTuningJobConfig")
    if isinstance(limits, dict):
        at_once = limits.get("ResourceLimits", {}).get("MaxParallelTrainingJobs", 1)
        parallel = _whole(at_once)
    for member, inner in value.items():
        if member in ("ResourceConfig", "HyperParameterTuningResourceConfig"):
            yield from _training(inner, value, parallel)
        elif member == "ClusterConfig":
            yield from _cluster("processing job", inner)
        elif member == "TransformResources":
            yield from _cluster("transform job", inner)
        elif member in ("ProductionVariants", "ShadowProductionVariants"):
            yield from _variants(inner, capacities)
        else:
            yield from _in_object(inner, capacities, parallel=parallel)


def _training(config: Any, job: Mapping[str, Any], parallel: int) -> Iterator[Instances]:
    if not isinstance(config, dict):
        return
    use = "spot training job" if job.get("EnableManagedSpotTraining") is True else "training job"
    for group in config.get("InstanceGroups", [config]):
        for each in _cluster(use, group):
            yield Instances(use=use, instance_type=each.instance_type, count=each.count * parallel)
            if "KeepAlivePeriodInSeconds" in config:
                yield Instances(
                    use="training warm pool", instance_type=each.instance_type, count=each.count
                )


def _cluster(use: str, config: Any) -> Iterator[Instances]:
    if isinstance(config, dict) and isinstance(config.get("InstanceType"), str):
        yield _instances(use, config["InstanceType"], _whole(config.get("InstanceCount", 1)))


def _variants(variants: Any, capacities: Mapping[str, int]) -> Iterator[Instances]:
    for variant in variants if isinstance(variants, list) else []:
        if not isinstance(variant, dict) or not isinstance(variant.get("InstanceType"), str):
            continue  # serverless, or instance pools
        count = _whole(variant.get("InitialInstanceCount", 1))
        # A blue/green update, also the default one, starts a second fleet beside the first.
        most = max(2 * count, capacities.get(str(variant.get("VariantName")), 0))
        yield _instances("endpoint", variant["InstanceType"], most)


def _instances(use: str, instance_type: str, count: int) -> Instances:
    return Instances(use=use, instance_type=instance_type, count=count)


def _instance_needs(resource: str, each: Instances) -> Iterator[Need]:
    name = f"{each.instance_type} for {each.use} usage"
    yield Need(service="sagemaker", quota=name, amount=each.count, resource=resource)
    if each.use in _TOTALS:
        yield Need(
            service="sagemaker", quota=_TOTALS[each.use], amount=each.count, resource=resource
        )


def _other_needs(resource: str, kind: str, properties: Mapping[str, Any]) -> Iterator[Need]:
    if kind in _COUNTED:
        service, quota = _COUNTED[kind]
        yield Need(service=service, quota=quota, amount=1, resource=resource)
    elif kind == "AWS::EC2::VPCEndpoint":
        interface = properties.get("VpcEndpointType") == "Interface"
        quota = (
            "Interface VPC endpoints per VPC" if interface else "Gateway VPC endpoints per Region"
        )
        yield Need(service="vpc", quota=quota, amount=1, resource=resource)
    elif kind == "AWS::Lambda::Function":
        reserved = properties.get("ReservedConcurrentExecutions")
        if reserved is not None:
            yield Need(service="lambda", quota="Concurrent executions", amount=_whole(reserved),
                       resource=resource)  # fmt: skip


def _unreserved(needs: Iterable[Need]) -> list[Need]:
    if not any(need.service == "lambda" for need in needs):
        return []
    return [Need(service="lambda", quota="Concurrent executions", amount=_UNRESERVED,
                 resource="executions that stay unreserved")]  # fmt: skip


def _capacities(resources: Iterable[Resource]) -> dict[str, int]:
    """Maximum capacity by variant, of scalable targets in templates."""
    capacities: dict[str, int] = {}
    for _, kind, properties in resources:
        variant = str(properties.get("ResourceId", "")).rpartition("/variant/")[2]
        if kind == "AWS::ApplicationAutoScaling::ScalableTarget" and variant:
            capacities[variant] = _whole(properties.get("MaxCapacity", 0))
    return capacities


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _objects(each)


def _whole(value: Any) -> int:
    """A number of a template, which may be a text; a parameter counts as one."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 1
