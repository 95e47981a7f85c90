"""What an endpoint is made of: variants, capture, rollout and scaling, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration

from .._private.checks import Checks, known

_CAPTURE_LIMIT = 100
_WAIT_LIMIT = 3600
_EXECUTION = (600, 28_800)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Between how many instances a variant moves, and by what.

    Attributes:
        minimum: Fewest instances, at least 1.
        maximum: Most instances.
        invocations_per_instance: Requests a minute that one instance should answer.
        scale_in_seconds: Pause after instances were taken away.
        scale_out_seconds: Pause after instances were added.

    """

    minimum: int
    maximum: int
    invocations_per_instance: float
    scale_in_seconds: int = 300
    scale_out_seconds: int = 60

    def check(self, check: Checks) -> None:
        """Refuse bounds in the wrong order and targets of nothing."""
        check.whole("scaling.minimum", self.minimum, 1, 1000)
        check.whole("scaling.maximum", self.maximum, self.minimum, 1000)
        check.between("scaling.invocations_per_instance",
                       self.invocations_per_instance, 1)  # fmt: skip

    def policy(self) -> dict[str, Any]:
        """A ``PutScalingPolicy`` request without the target's three names."""
        return {
            "PolicyName": "InvocationsPerInstance",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": self.invocations_per_instance,
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
                },
                "ScaleInCooldown": self.scale_in_seconds,
                "ScaleOutCooldown": self.scale_out_seconds,
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A share of the endpoint's traffic on instances of one type.

    Attributes:
        name: Name of the variant.
        instance_type: ML instance type.
        instance_count: Instances at first; 2 spread over two zones.
        weight: Share of the traffic, 0 for none.
        scaling: Automatic scaling; none by default.
        startup_seconds: How long a container may take to answer its first ping, 60 to 3600.

    """

    name: str = "AllTraffic"
    instance_type: str = "ml.m5.large"
    instance_count: int = 2
    weight: float = 1.0
    scaling: Scaling | None = None
    startup_seconds: int = 300

    def check(self, check: Checks) -> None:
        """Refuse what SageMaker would refuse later."""
        check.name("variant.name", self.name)
        check.instance_type("variant.instance_type", self.instance_type)
        check.whole("variant.instance_count", self.instance_count, 1, 1000)
        check.between("variant.weight", self.weight, 0)
        check.whole("variant.startup_seconds", self.startup_seconds, 60, 3600)
        if self.scaling is not None:
            self.scaling.check(check)

    def rendered(self) -> dict[str, Any]:
        """A ``ProductionVariant`` without ``ModelName``."""
        return {
            "VariantName": self.name,
            "InstanceType": self.instance_type,
            "InitialInstanceCount": self.instance_count,
            "InitialVariantWeight": self.weight,
            "ContainerStartupHealthCheckTimeoutInSeconds": self.startup_seconds,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCapture:
    """Keeping requests and answers in S3.

    Attributes:
        percentage: Share of the requests, 0 to 100.
        prefix: Where they go in the store, ending in a slash.
        content_types: CSV types that are kept readable; others are kept as base64.

    """

    percentage: int = 100
    prefix: str = "capture/"
    content_types: Sequence[str] = ("text/csv",)

    def check(self, check: Checks) -> None:
        """Refuse a share above all and a prefix that is none."""
        check.whole("capture.percentage", self.percentage, 0, _CAPTURE_LIMIT)
        check.prefix("capture.prefix", self.prefix)

    def rendered(self, destination: str, key_arn: str | None) -> dict[str, Any]:
        """A ``DataCaptureConfig``."""
        config: dict[str, Any] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": self.percentage,
            "DestinationS3Uri": destination,
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": list(self.content_types)},
        }
        return config if key_arn is None else {**config, "KmsKeyId": key_arn}


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A blue/green rollout that tries the new fleet on a part of the traffic first.

    Attributes:
        instances: Instances of the new fleet that get traffic first; at most half a variant's.
        wait_seconds: How long they are watched, 0 to 3600.
        termination_wait_seconds: How long the old fleet stays when all traffic has moved.
        maximum_seconds: After which the rollout is given up, 600 to 28800, more than the waits.

    """

    instances: int = 1
    wait_seconds: int = 300
    termination_wait_seconds: int = 120
    maximum_seconds: int = 1800

    def check(self, check: Checks, variants: Sequence[Variant]) -> None:
        """Refuse a canary that the smallest variant has no room for, and impossible waits."""
        check.whole("rollout.wait_seconds", self.wait_seconds, 0, _WAIT_LIMIT)
        check.whole("rollout.termination_wait_seconds",
                       self.termination_wait_seconds, 0, _WAIT_LIMIT)  # fmt: skip
        check.whole("rollout.maximum_seconds", self.maximum_seconds, *_EXECUTION)
        waits = self.wait_seconds + self.termination_wait_seconds
        seconds = (self.wait_seconds, self.termination_wait_seconds, self.maximum_seconds)
        if known(*seconds) and self.maximum_seconds <= waits:
            message = f"rollout.maximum_seconds must exceed the waits ({waits}), got "
            check.refuse("RolloutTooShort", f"{message}{self.maximum_seconds}")
        counts = [v.instance_count for v in variants if known(v.instance_count)]
        if counts and min(counts) < 2:
            message = f"a canary needs at least 2 instances in each variant, got {min(counts)}"
            check.refuse("CanaryNeedsTwoInstances", message)
        else:
            check.whole("rollout.instances", self.instances, 1,
                        min(counts) // 2 if counts else None)  # fmt: skip

    def rendered(self) -> dict[str, Any]:
        """A ``BlueGreenUpdatePolicy``."""
        return {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "WaitIntervalInSeconds": self.wait_seconds,
                "CanarySize": {"Type": "INSTANCE_COUNT", "Value": self.instances},
            },
            "TerminationWaitInSeconds": self.termination_wait_seconds,
            "MaximumExecutionTimeoutInSeconds": self.maximum_seconds,
        }


def check_serving(
    check: Checks,
    *,
    endpoint_name: str,
    variants: Sequence[Variant],
    capture: DataCapture | None,
    rollout: Canary | None,
    rollback_latency: Duration | None,
) -> None:
    """Refuse what no endpoint can be made of."""
    check.name("endpoint_name", endpoint_name)
    check.not_empty("variants", variants)
    names = [variant.name for variant in variants]
    if len(set(names)) < len(names):
        check.refuse("NameTwice", f"variants must have names of their own, got {names}")
    for variant in variants:
        variant.check(check)
    if capture is not None:
        capture.check(check)
    if rollout is not None:
        rollout.check(check, variants)
    if rollback_latency is not None:
        check.literal("rollback_latency", rollback_latency)
