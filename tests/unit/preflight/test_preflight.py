"""The quotas that templates need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sageloop.preflight.comparison import Quota, compare
from sageloop.preflight.documents import AssemblyError, read, resources_of
from sageloop.preflight.needs import Need, needs_of


def needs(kind: str, **properties: Any) -> dict[str, int]:
    """Amounts by quota of one resource."""
    return amounts([("Stack/One", kind, read(properties))])


def amounts(resources: list[tuple[str, str, dict[str, Any]]]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for need in needs_of(resources):
        totals[need.quota] = totals.get(need.quota, 0) + need.amount
    return totals


def document(**members: Any) -> dict[str, Any]:
    """A document as constructs render it: a joined text with references inside."""
    head, tail = json.dumps(members | {"role": "ROLE"}).split("ROLE")
    return {"Fn::Join": ["", [head, {"Fn::GetAtt": ["Role", "Arn"]}, tail]]}


CONFIG = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2}


def test_training_job_needs_instances_of_its_type_and_in_total() -> None:
    made = needs("Custom::TrainingJob", Document=document(request={"ResourceConfig": CONFIG}))

    assert made == {
        "ml.m5.xlarge for training job usage": 2,
        "Number of instances across all training jobs": 2,
    }


def test_spot_job_needs_the_quota_of_spot_jobs() -> None:
    request = {"ResourceConfig": CONFIG, "EnableManagedSpotTraining": True}

    assert needs("Custom::TrainingJob", Document=document(request=request)) == {
        "ml.m5.xlarge for spot training job usage": 2
    }


def test_warm_pool_needs_its_own_quota_too() -> None:
    config = CONFIG | {"KeepAlivePeriodInSeconds": 600}

    made = needs("Custom::TrainingJob", Document=document(request={"ResourceConfig": config}))

    assert made["ml.m5.xlarge for training warm pool usage"] == 2
    assert made["ml.m5.xlarge for training job usage"] == 2


def test_each_instance_group_needs_its_type() -> None:
    groups = [{"InstanceType": "ml.m5.large", "InstanceCount": 1},
              {"InstanceType": "ml.g5.xlarge", "InstanceCount": 3}]  # fmt: skip
    request = {"ResourceConfig": {"InstanceGroups": groups, "VolumeSizeInGB": 1}}

    made = needs("Custom::TrainingJob", Document=document(request=request))

    assert made["ml.m5.large for training job usage"] == 1
    assert made["ml.g5.xlarge for training job usage"] == 3


def test_tuning_job_needs_instances_of_its_parallel_trials() -> None:
    request = {
        "HyperParameterTuningJobConfig": {"ResourceLimits": {"MaxParallelTrainingJobs": 3}},
        "TrainingJobDefinition": {"ResourceConfig": CONFIG},
    }

    made = needs("Custom::TuningJob", Document=document(request=request))

    assert made["ml.m5.xlarge for training job usage"] == 6


@pytest.mark.parametrize(
    ("properties", "use"),
    [({"ProcessingResources": {"ClusterConfig": CONFIG}}, "processing job"),
     ({"TransformResources": CONFIG}, "transform job")],
)  # fmt: skip
def test_processing_and_transform_jobs_need_their_own_quotas(
    properties: dict[str, Any], use: str
) -> None:
    assert needs("AWS::SageMaker::Anything", **properties) == {
        f"ml.m5.xlarge for {use} usage": 2, f"Number of instances across all {use}s": 2,
    }  # fmt: skip


def _variant(count: int) -> dict[str, Any]:
    return {"VariantName": "All", "InstanceType": "ml.m5.large", "InitialInstanceCount": count}


def test_endpoint_needs_a_second_fleet_for_an_update() -> None:
    made = needs("AWS::SageMaker::EndpointConfig", ProductionVariants=[_variant(2)])

    assert made["ml.m5.large for endpoint usage"] == 4
    assert made["Number of instances across active endpoints"] == 4


def test_endpoint_needs_its_maximum_capacity() -> None:
    scaling = [{"VariantName": "All", "MaxCapacity": 7}]
    config = {"ProductionVariants": [_variant(2)]}

    made = needs("Custom::ChampionEndpoint", Document=document(config=config, scaling=scaling))

    assert made["ml.m5.large for endpoint usage"] == 7


def test_endpoint_needs_maximum_capacity_of_a_target_elsewhere() -> None:
    target = {"ResourceId": "endpoint/x/variant/All", "MaxCapacity": 9}
    made = amounts([
        ("S/E", "AWS::SageMaker::EndpointConfig", {"ProductionVariants": [_variant(1)]}),
        ("S/T", "AWS::ApplicationAutoScaling::ScalableTarget", target),
    ])  # fmt: skip

    assert made["ml.m5.large for endpoint usage"] == 9


def test_shadow_variant_needs_instances_and_serverless_none() -> None:
    made = needs(
        "AWS::SageMaker::EndpointConfig", ShadowProductionVariants=[_variant(1)],
        ProductionVariants=[{"VariantName": "s", "ServerlessConfig": {"MaxConcurrency": 5}}],
    )  # fmt: skip

    assert made["ml.m5.large for endpoint usage"] == 2


def test_notebook_needs_an_instance() -> None:
    assert needs("AWS::SageMaker::NotebookInstance", InstanceType="ml.t3.medium") == {
        "ml.t3.medium for notebook instance usage": 1, "Total number of notebook instances": 1,
    }  # fmt: skip


def test_reserved_concurrency_needs_unreserved_executions_too() -> None:
    made = amounts([
        ("S/A", "AWS::Lambda::Function", {"ReservedConcurrentExecutions": 2}),
        ("S/B", "AWS::Lambda::Function", {"ReservedConcurrentExecutions": 3}),
        ("S/C", "AWS::Lambda::Function", {}),
    ])  # fmt: skip

    assert made == {"Concurrent executions": 105}
    assert amounts([("S/C", "AWS::Lambda::Function", {})]) == {}


def test_network_is_counted() -> None:
    made = amounts([
        ("S/V", "AWS::EC2::VPC", {}), ("S/E", "AWS::EC2::EIP", {}),
        ("S/I", "AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Interface"}),
        ("S/G", "AWS::EC2::VPCEndpoint", {}),
    ])  # fmt: skip

    assert made == {
        "VPCs per Region": 1, "EC2-VPC Elastic IPs": 1, "Interface VPC endpoints per VPC": 1,
        "Gateway VPC endpoints per Region": 1,
    }  # fmt: skip


def _need(amount: int) -> Need:
    return Need(service="sagemaker", quota="q", amount=amount, resource="S/One")


@pytest.mark.parametrize(("amount", "short"), [(2, 0.0), (3, 1.0)])
def test_needs_of_one_quota_are_added_and_compared(amount: int, short: float) -> None:
    quota = Quota(code="L-1", value=5.0, adjustable=True)

    (row,) = compare([_need(3), _need(amount)], {"sagemaker": {"q": quota}}, region="eu-west-1")

    assert (row.needs, row.has, row.short) == (3 + amount, 5.0, short)
    assert bool(row.request) == bool(short)


@pytest.mark.parametrize(
    ("adjustable", "known", "request_"),
    [
        (True, True, "aws service-quotas request-service-quota-increase --service-code sagemaker "
         "--quota-code L-1 --desired-value 3 --region eu-west-1"),
        (False, True, "https://eu-west-1.console.aws.amazon.com/servicequotas/home/services/"
         "sagemaker/quotas"),
        (True, False, "https://eu-west-1.console.aws.amazon.com/servicequotas/home/services/"
         "sagemaker/quotas"),
    ],
)  # fmt: skip
def test_short_quota_has_the_way_to_request_it(
    adjustable: bool, known: bool, request_: str
) -> None:
    quota = Quota(code="L-1", value=0.0, adjustable=adjustable)

    (row,) = compare([_need(3)], {"sagemaker": {"q": quota}}, region="eu-west-1",
                     codes_are_known=known)  # fmt: skip

    assert row.request == request_


def test_quota_that_is_not_reported_is_not_short() -> None:
    (row,) = compare([_need(3)], {}, region="eu-west-1")

    assert (row.has, row.short, row.request) == (None, 0.0, "")


def test_short_quotas_are_first() -> None:
    zero, much = (Quota(code="L", value=v, adjustable=True) for v in (0.0, 9.0))
    other = Need(service="a", quota="b", amount=1, resource="S/Two")

    rows = compare([other, _need(1)], {"sagemaker": {"q": zero}, "a": {"b": much}}, region="x")

    assert [row.quota for row in rows] == ["q", "b"]


def test_resources_of_an_assembly_have_their_stack(tmp_path: Path) -> None:
    template = {"Resources": {"One": {"Type": "AWS::EC2::VPC"}}}
    (tmp_path / "Net.template.json").write_text(json.dumps(template))

    assert resources_of(tmp_path) == [("Net/One", "AWS::EC2::VPC", {})]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "has no templates: synthesise the app first"),
     *((text, "is not a CloudFormation template") for text in ("[]", "{", "[" * 100_000))],
)  # fmt: skip
def test_folder_without_templates_is_refused(
    tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "a.template.json").write_text(content)

    with pytest.raises(AssemblyError, match=message):
        resources_of(tmp_path)


def test_instance_type_of_a_parameter_is_not_left_out() -> None:
    variant = _variant(1) | {"InstanceType": {"Ref": "Type"}}

    made = needs("AWS::SageMaker::EndpointConfig", ProductionVariants=[variant])

    assert made["{Ref} for endpoint usage"] == 2
