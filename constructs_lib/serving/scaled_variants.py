"""Scalable targets of an endpoint's variants, registered around its updates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import CustomResource, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct, IDependable

from .._private.acknowledge import acknowledge_checkov
from .._private.checks import Checks
from .._private.function import ProjectFunction
from .._private.named_scope import named_scope
from .._private.policies import allow, arn
from ..network import PrivateNetwork
from .autoscaling import Wake, leave_zero, step_alarm, wake_alarm
from .base import EndpointBase
from .permissions import alarm_statements, scaling_statements
from .scaling import Scaling
from .variants import Variant

# checkov takes each word of 40 characters in a literal for a secret access key.
_LONG_WORD = "TargetTrackingScalingPolicyConfiguration"
_ONLY_A_NAME = (
    "the word of 40 characters in the scaling document is a member of Application Auto Scaling"
)
_LONGEST_DOCUMENT = 3000
_MOST_STEPS = 12


class ScaledVariants(Construct):
    """Defines the scaling of an endpoint's variants by a function of this library.

    SageMaker refuses to change the instance type of a registered variant, or to remove it, and
    CloudFormation would change the registration only after the endpoint. A custom resource before
    the endpoint deregisters changed variants, and one after it registers them. If a deployment
    fails between the two, the variants are registered again within 15 minutes.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-update.html
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: EndpointBase,
        variants: Sequence[Variant],
        network: PrivateNetwork,
        key: kms.IKey | None,
        alert_topic: sns.ITopic | None,
        wake: Wake | None,
    ) -> None:
        """Define the function and the custom resources.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            endpoint: The endpoint.
            variants: Variants with scaling.
            network: Network of the function.
            key: Key of the function.
            alert_topic: SNS topic that is notified when the function fails.
            wake: Scale-out from zero, if the minimum is 0.

        Raises:
            ConfigurationError: If the scaling document is too long or has too many steps.

        """
        super().__init__(scope, construct_id)
        self._endpoint_name = endpoint_name = endpoint.endpoint_name
        self._variants, self._wake = variants, wake
        stack = Stack.of(self)
        scaling = [
            _scaling_document(endpoint_name, n, variant, wake) for n, variant in enumerate(variants)
        ]
        document = {"endpoint_name": endpoint_name, "scaling": scaling}
        self._check(stack.resolve(document))
        self._document = stack.to_json_string(document)
        self._named = named_scope(self, "Endpoint", endpoint_name)
        self.function = ProjectFunction(
            self._named,
            "Function",
            folder="scaling_resource",
            description=f"Registers variants of {endpoint_name} for scaling",
            network=network,
            key=key,
            environment={"SCALING": self._document},
            # In sequence: a custom resource that CloudFormation cancels may still run.
            reserved_concurrency=1,
            alert_topic=alert_topic,
            serves_cloudformation=True,
        )
        document_text = stack.resolve(self._document)
        if isinstance(document_text, str) and _LONG_WORD in document_text:
            acknowledge_checkov(self.function.function, "CKV_AWS_45", _ONLY_A_NAME)
        self._allow(endpoint.endpoint_arn)
        self._listen()
        self._dependencies: list[IDependable] = [
            *self.function.prerequisites, *network.dependencies,
        ]  # fmt: skip
        self.before = self._resource("Before", "Custom::ScalingBeforeEndpoint", "BeforeEndpoint")

    def register_after(self, endpoint: Construct) -> CustomResource:
        """Order the endpoint between the two custom resources, and define the step alarms."""
        endpoint.node.add_dependency(self.before)
        after = self._resource("After", "Custom::ScalingAfterEndpoint", "AfterEndpoint")
        after.node.add_dependency(endpoint)
        for index, variant in enumerate(self._variants):
            self._build_alarms(index, variant, after)
        return after

    def _build_alarms(self, index: int, variant: Variant, after: CustomResource) -> None:
        """The alarms of step policies; the function finds them by name when it creates a policy."""
        scaling = variant.scaling
        assert scaling is not None
        dimensions = {"EndpointName": self._endpoint_name, "VariantName": variant.name}
        for number, step in enumerate(scaling.steps):
            name = _alarm_name(self._endpoint_name, index, number)
            action = after.get_att_string(f"Policy{index}x{number}")
            step_alarm(self, f"Step{index}-{number}", step, dimensions, action, name=name)
        if _wakes(scaling, self._wake):
            assert self._wake is not None
            number = len(scaling.steps)
            name = _alarm_name(self._endpoint_name, index, number)
            action = after.get_att_string(f"Policy{index}x{number}")
            wake_alarm(self, f"Wake{index}", self._wake, action, name=name)

    def _check(self, document: Mapping[str, Any]) -> None:
        steps = [policy for item in document["scaling"] for policy in item["Policies"]
                 if "Alarm" in policy]  # fmt: skip
        length = len(json.dumps(document))
        with Checks(self) as check:
            if len(steps) > _MOST_STEPS:
                check.refuse("TooManySteps", "an endpoint's variants must have "
                             f"{_MOST_STEPS} step policies at most (leaving zero is one), got "
                             f"{len(steps)}")  # fmt: skip
            if length > _LONGEST_DOCUMENT:
                message = f"scaling of all variants must be {_LONGEST_DOCUMENT} characters at most"
                check.refuse("ScalingTooLong", f"{message}, got {length}")

    def _allow(self, endpoint_arn: str) -> None:
        configs = arn(self, "sagemaker", "endpoint-config", "*")
        targets = arn(self, "application-autoscaling", "scalable-target", "*")
        service = {"StringEquals": {"application-autoscaling:service-namespace": "sagemaker"}}
        self.function.allow(
            allow(["sagemaker:DescribeEndpoint"], [endpoint_arn]),
            allow(["sagemaker:DescribeEndpointConfig"], [configs]),
            *alarm_statements(self, self._endpoint_name),
        )
        self.function.allow_apart("Scaling", [
            allow(["application-autoscaling:DeleteScalingPolicy",
                   "application-autoscaling:DeleteScheduledAction"], [targets], service),
            *scaling_statements(self, self._endpoint_name, remembers=False),
        ])  # fmt: skip

    def _listen(self) -> None:
        name = self._endpoint_name
        self.function.listen(
            "OnEndpoint",
            description=f"Endpoint {name} is in service",
            pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["SageMaker Endpoint State Change"],
                detail={"EndpointName": [name], "EndpointStatus": ["IN_SERVICE"]},
            ),
        )
        every = Duration.minutes(15)
        self.function.schedule(
            "Every", description=f"Registers the variants of {name}", every=every
        )

    def _resource(self, construct_id: str, kind: str, place: str) -> CustomResource:
        resource = CustomResource(
            self._named,
            construct_id,
            resource_type=kind,
            service_token=self.function.arn,
            service_timeout=Duration.minutes(10),
            properties={"Place": place, "Document": self._document},
        )
        resource.node.add_dependency(*self._dependencies)
        return resource


def _scaling_document(
    endpoint_name: str, index: int, variant: Variant, wake: Wake | None
) -> dict[str, Any]:
    """The scaling document of a variant."""
    scaling = variant.scaling
    assert scaling is not None
    steps = [step.policy(f"Step{number}") for number, step in enumerate(scaling.steps)]
    steps += [leave_zero()] if _wakes(scaling, wake) else []
    named = [
        {**policy, "Alarm": _alarm_name(endpoint_name, index, number)}
        for number, policy in enumerate(steps)
    ]
    actions = [each.rendered(f"Schedule{number}") for number, each in enumerate(scaling.schedules)]
    return {
        "VariantName": variant.name,
        "InstanceTypes": sorted(variant.instance_types),
        "MinCapacity": scaling.minimum,
        "MaxCapacity": scaling.maximum,
        "Policies": [*scaling.policies(endpoint_name), *named],
        "ScheduledActions": actions,
    }


def _alarm_name(endpoint_name: str, index: int, number: int) -> str:
    """The name of the alarm of a step policy.

    It ends with the indices of the policy's id, each one hex digit, as policies expect: an
    endpoint has 10 variants and 12 steps at most.
    """
    return f"{endpoint_name}-scaling-{index:x}-{number:x}"


def _wakes(scaling: Scaling, wake: Wake | None) -> bool:
    return wake is not None and scaling.reaches_zero
