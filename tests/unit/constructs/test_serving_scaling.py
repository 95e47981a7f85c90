"""Scaling: what is rendered, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk.assertions import Match, Template

from constructs_lib import (
    Asynchronous,
    ConfigurationError,
    Scaling,
    ScheduledScaling,
    Serverless,
    Step,
    StepScaling,
    Variant,
)

from .conftest import Ground, ground_of
from .serving import (
    component,
    endpoint,
    open_model,
    properties,
    shared,
)

TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"
REGISTRATION = "Custom::ScalingAfterEndpoint"
BY_INVOCATIONS = Scaling(minimum=2, maximum=4, invocations_per_instance=100)
QUEUED = Asynchronous(output_prefix="out/")
_POLICY_OF_STEPS = {"Fn::GetAtt": [Match.string_like_regexp("Scaling.*After"), "Policy0x0"]}


_PERMISSIONS = Path(__file__).resolve().parents[3] / "lambda" / "permissions.json"
_OURS = {"application-autoscaling", "cloudwatch", "sagemaker"}
# Application Auto Scaling calls them for the caller, or checks whether we may.
_OF_AUTO_SCALING = {"cloudwatch:DeleteAlarms", "sagemaker:UpdateEndpointWeightsAndCapacities"}


def _actions_of(template: Template, start: str) -> set[str]:
    """What the policies of a function's duties allow of our services."""
    result: set[str] = set()
    for name, policy in template.find_resources("AWS::IAM::ManagedPolicy").items():
        if name.startswith(start) and "Base" not in name:
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                action = statement["Action"]
                result |= {action} if isinstance(action, str) else set(action)
    return {each for each in result if each.partition(":")[0] in _OURS}


@pytest.fixture
def whole() -> Ground:
    """A ground that may be synthesised."""
    return ground_of(Stack(App(), "Test"))


def _variant(ground: Ground) -> dict[str, Any]:
    """The scaling document of the one variant of an endpoint with instances."""
    text = properties(ground.template(), REGISTRATION)["Document"]
    document = json.loads(text)
    assert document["endpoint_name"] == "demo"
    (variant,) = document["scaling"]
    return dict(variant)


def _reported(ground: Ground, kind: str = "TargetTracking") -> dict[str, Any]:
    """The configuration of its one policy of a kind."""
    (policy,) = [each for each in _variant(ground)["Policies"]
                 if each["PolicyType"] == f"{kind}Scaling"]  # fmt: skip
    return dict(policy[f"{kind}ScalingPolicyConfiguration"])


def _configuration(ground: Ground, kind: str = "TargetTracking") -> dict[str, Any]:
    """The same of one that CloudFormation puts."""
    result = [
        resource["Properties"][f"{kind}ScalingPolicyConfiguration"]
        for resource in ground.template().find_resources(POLICY).values()
        if resource["Properties"]["PolicyType"] == f"{kind}Scaling"
    ]
    (configuration,) = result
    return dict(configuration)


@pytest.mark.feature("scaling constructs: invocations per instance")
def test_real_time_scales_by_invocations(whole: Ground) -> None:
    endpoint(whole, variants=[Variant(scaling=BY_INVOCATIONS)])

    metric = _reported(whole)["PredefinedMetricSpecification"]["PredefinedMetricType"]
    assert metric == "SageMakerVariantInvocationsPerInstance"
    variant = _variant(whole)
    assert variant["VariantName"] == "AllTraffic"
    assert (variant["MinCapacity"], variant["MaxCapacity"]) == (2, 4)


@pytest.mark.feature("scaling constructs: target from measured requests per second")
def test_target_follows_measured_throughput() -> None:
    scaling = Scaling.from_requests_per_second(120, minimum=2, maximum=6)

    assert scaling.invocations_per_instance == 3600


@pytest.mark.feature("scaling constructs: concurrency of a model")
def test_real_time_scales_by_concurrency(whole: Ground) -> None:
    scaling = Scaling(minimum=1, maximum=4, concurrency_per_model=5, scale_in=False)

    endpoint(whole, variants=[Variant(scaling=scaling)])

    configuration = _reported(whole)
    metric = configuration["PredefinedMetricSpecification"]["PredefinedMetricType"]
    assert metric == "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    assert configuration["DisableScaleIn"] is True


@pytest.mark.feature("scaling constructs: serverless, provisioned concurrency")
def test_serverless_scales_provisioned_concurrency(whole: Ground) -> None:
    scaling = Scaling(minimum=1, maximum=10, provisioned_utilization=0.5)

    endpoint(
        whole, model=open_model(whole),
        kind=Serverless(provisioned_concurrency=2, scaling=scaling),
    )  # fmt: skip

    metric = _configuration(whole)["PredefinedMetricSpecification"]["PredefinedMetricType"]
    assert metric == "SageMakerVariantProvisionedConcurrencyUtilization"
    dimension = properties(whole.template(), TARGET)["ScalableDimension"]
    assert dimension == "sagemaker:variant:DesiredProvisionedConcurrency"


@pytest.mark.feature("scaling constructs: asynchronous, backlog per instance")
def test_asynchronous_scales_by_its_backlog(whole: Ground) -> None:
    scaling = Scaling(minimum=1, maximum=5, backlog_per_instance=5)

    endpoint(whole, kind=QUEUED, variants=[Variant(scaling=scaling)])

    specification = _reported(whole)["CustomizedMetricSpecification"]
    assert specification["MetricName"] == "ApproximateBacklogSizePerInstance"
    assert specification["Dimensions"] == [{"Name": "EndpointName", "Value": "demo"}]


@pytest.mark.feature("scaling constructs: asynchronous, to zero and back")
def test_asynchronous_scales_out_from_zero(whole: Ground) -> None:
    scaling = Scaling(minimum=0, maximum=5, backlog_per_instance=5)

    endpoint(whole, kind=QUEUED, variants=[Variant(scaling=scaling)])

    steps = _reported(whole, "Step")["StepAdjustments"]
    assert steps == [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]
    whole.template().has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "MetricName": "HasBacklogWithoutCapacity", "EvaluationPeriods": 2, "Threshold": 1,
            "AlarmActions": [_POLICY_OF_STEPS],
        },
    )  # fmt: skip


@pytest.mark.feature("scaling constructs: inference component, copies to zero and back")
def test_a_component_scales_its_copies(whole: Ground) -> None:
    scaling = Scaling(minimum=0, maximum=4, concurrency_per_copy=5)

    component(whole, shared(whole), scaling=scaling)

    target = properties(whole.template(), TARGET)
    assert target["ScalableDimension"] == "sagemaker:inference-component:DesiredCopyCount"
    assert target["ResourceId"] == "inference-component/digits"
    whole.template().has_resource_properties(
        "AWS::CloudWatch::Alarm", {"MetricName": "NoCapacityInvocationFailures"}
    )


@pytest.mark.feature("scaling constructs: step")
def test_step_policies_have_alarms(whole: Ground) -> None:
    step = StepScaling(
        metric="CPUUtilization", threshold=70,
        steps=[Step(lower=20, change=3), Step(lower=0, upper=20, change=1)],
    )  # fmt: skip

    endpoint(whole, variants=[Variant(scaling=Scaling(minimum=1, maximum=4, steps=[step]))])

    steps = _reported(whole, "Step")["StepAdjustments"]
    assert [each["ScalingAdjustment"] for each in steps] == [1, 3]
    whole.template().has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "Namespace": "/aws/sagemaker/Endpoints", "Threshold": 70,
            "AlarmActions": [_POLICY_OF_STEPS],
        },
    )  # fmt: skip


@pytest.mark.feature("scaling constructs: scheduled")
def test_scheduled_actions_change_capacity_limits(whole: Ground) -> None:
    morning = ScheduledScaling(schedule="cron(0 7 * * ? *)", minimum=4, timezone="Europe/Berlin")
    scaling = Scaling(minimum=1, maximum=6, invocations_per_instance=9, schedules=[morning])

    endpoint(whole, variants=[Variant(scaling=scaling)])

    (action,) = _variant(whole)["ScheduledActions"]
    assert action["Schedule"] == "cron(0 7 * * ? *)"
    assert action["ScalableTargetAction"] == {"MinCapacity": 4}
    assert action["Timezone"] == "Europe/Berlin"


@pytest.mark.feature("serving constructs: scaled capacity survives an update")
@pytest.mark.parametrize(
    ("scaling", "anew"),
    [
        (BY_INVOCATIONS, {"DataCaptureConfig", "DesiredWeight"}),
        (None, {"DataCaptureConfig", "DesiredInstanceCount", "DesiredWeight"}),
    ],
)
def test_update_retains_scaled_capacity(
    whole: Ground, scaling: Scaling | None, anew: set[str]
) -> None:
    endpoint(whole, variants=[Variant(scaling=scaling)])

    result = properties(whole.template(), "AWS::SageMaker::Endpoint")

    assert result["RetainAllVariantProperties"] is True
    reported = result["ExcludeRetainedVariantProperties"]
    assert {each["VariantPropertyType"] for each in reported} == anew


def test_scheduled_actions_have_time_zone(whole: Ground) -> None:
    noon = ScheduledScaling(schedule="cron(0 12 * * ? *)", minimum=4, timezone="Mars/Olympus")
    scaling = Scaling(minimum=1, maximum=8, invocations_per_instance=5, schedules=[noon])

    with pytest.raises(ConfigurationError, match=r"must be the IANA name of a time zone.*'Mars/"):
        endpoint(whole, variants=[Variant(scaling=scaling)])


STEP = StepScaling(metric="CPUUtilization", threshold=1, steps=[])
ADD = StepScaling(metric="CPUUtilization", threshold=1, steps=[Step(lower=0, change=1)])


@pytest.mark.feature("bad input: scaling target of another kind")
@pytest.mark.parametrize(
    ("scaling", "message"),
    [
        (
            Scaling(minimum=1, maximum=2, steps=[
                replace(ADD, period_seconds=3600, evaluation_periods=169)
            ]),
            "step must evaluate 7 day.* got 169 periods of 3600 seconds",
        ),
        (
            Scaling(minimum=1, maximum=2, steps=[replace(ADD, period_seconds=45)]),
            "the period of step must be 10, 20, 30 or a multiple of 60 seconds, got 45",
        ),
        (
            Scaling(minimum=1, maximum=2, backlog_per_instance=5),
            "scaling.backlog_per_instance does not exist for a real-time endpoint",
        ),
        (Scaling(minimum=1, maximum=2), "scaling needs a target"),
        (
            Scaling(minimum=0, maximum=2, invocations_per_instance=5),
            "only asynchronous endpoints and inference components go to zero",
        ),
        (
            Scaling(minimum=3, maximum=2, invocations_per_instance=5),
            "scaling.maximum must be between 3 and 1000, got 2",
        ),
        (
            Scaling(minimum=1, maximum=2, invocations_per_instance=0),
            "scaling.invocations_per_instance must be at least 1",
        ),
        (Scaling(minimum=1, maximum=2, steps=[STEP]), "step.steps must have at least one entry"),
        (
            Scaling(
                minimum=1, maximum=2,
                schedules=[ScheduledScaling(schedule="at noon", minimum=1)],
            ),
            "schedule must match",
        ),
        (
            Scaling(minimum=1, maximum=2, schedules=[ScheduledScaling(schedule="rate(1 day)")]),
            "needs a minimum or a maximum",
        ),
    ],
)  # fmt: skip
def test_scaling_refuses(anew: Ground, scaling: Scaling, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        endpoint(anew, variants=[Variant(scaling=scaling)])


def test_steps_with_gap_or_overlap_are_refused(anew: Ground) -> None:
    steps = [Step(lower=0, upper=10, change=1), Step(lower=20, change=2)]
    step = StepScaling(metric="CPUUtilization", threshold=70, steps=steps)

    with pytest.raises(ConfigurationError, match="steps must join without gap or overlap"):
        endpoint(anew, variants=[Variant(scaling=Scaling(minimum=1, maximum=2, steps=[step]))])


@pytest.mark.feature("bad input: scaling of burstable instances")
def test_scaling_of_burstable_instances_is_refused(anew: Ground) -> None:
    variant = Variant(instance_type="ml.t2.medium", scaling=BY_INVOCATIONS)

    with pytest.raises(ConfigurationError, match="burstable instances are not scaled"):
        endpoint(anew, variants=[variant])


def test_serverless_scaling_needs_provisioned_concurrency(anew: Ground) -> None:
    scaling = Scaling(minimum=1, maximum=10, provisioned_utilization=0.5)

    with pytest.raises(ConfigurationError, match="needs provisioned_concurrency"):
        endpoint(anew, model=open_model(anew), kind=Serverless(scaling=scaling))


@pytest.mark.parametrize("rps", [0, -1, float("nan")])
def test_invalid_measured_throughput_is_refused(rps: float) -> None:
    with pytest.raises(ConfigurationError, match="rps must be"):
        Scaling.from_requests_per_second(rps, minimum=1, maximum=2)


@pytest.mark.feature("scaling constructs: another instance type in one deployment")
def test_endpoint_is_between_deregistering_and_registering(whole: Ground) -> None:
    endpoint(whole, variants=[Variant(instance_type="ml.c5.large", scaling=BY_INVOCATIONS)])

    template = whole.template()

    assert _variant(whole)["InstanceTypes"] == ["ml.c5.large"]
    (before,) = template.find_resources("Custom::ScalingBeforeEndpoint")
    ((served, resource),) = template.find_resources("AWS::SageMaker::Endpoint").items()
    (after,) = template.find_resources(REGISTRATION).values()
    assert before in resource["DependsOn"]
    assert served in after["DependsOn"]
    template.resource_count_is(TARGET, 0)


def test_scaling_function_has_permissions_of_its_code(whole: Ground) -> None:
    endpoint(whole, variants=[Variant(scaling=BY_INVOCATIONS)])

    allowed = _actions_of(whole.template(), "EndpointScaling")

    expected = json.loads(_PERMISSIONS.read_text(encoding="utf-8"))["scaling_resource"]
    assert allowed - _OF_AUTO_SCALING == set(expected)


def test_scaling_needs_a_network_for_its_function(anew: Ground) -> None:
    with pytest.raises(ConfigurationError, match="NetworkMissing"):
        endpoint(anew, model=open_model(anew), variants=[Variant(scaling=BY_INVOCATIONS)])


def test_unscaled_endpoints_have_no_function(whole: Ground) -> None:
    endpoint(whole)

    whole.template().resource_count_is("Custom::ScalingBeforeEndpoint", 0)


def test_too_many_step_policies_are_refused(anew: Ground) -> None:
    step = StepScaling(metric="CPUUtilization", threshold=70, steps=[Step(lower=0, change=1)])
    scaling = Scaling(minimum=1, maximum=4, steps=[step] * 13)

    with pytest.raises(ConfigurationError, match="12 step policies at most"):
        endpoint(anew, variants=[Variant(scaling=scaling)])


def test_too_long_scaling_document_is_refused(anew: Ground) -> None:
    schedules = [ScheduledScaling(schedule=f"cron({n} 7 * * ? *)", minimum=2) for n in range(40)]
    scaling = Scaling(minimum=1, maximum=4, invocations_per_instance=9, schedules=schedules)

    with pytest.raises(ConfigurationError, match="3000 characters at most"):
        endpoint(anew, variants=[Variant(scaling=scaling)])
