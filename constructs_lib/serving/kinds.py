"""Kinds of endpoints, and the limits of each.

See https://docs.aws.amazon.com/sagemaker/latest/dg/deploy-model-options.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from aws_cdk import aws_sns as sns

from .._private.checks import Checks, known
from .scaling import Scaling

_INCLUDE = {"success": "SUCCESS_NOTIFICATION_TOPIC", "error": "ERROR_NOTIFICATION_TOPIC"}
_REAL_TIME = ("invocations_per_instance", "concurrency_per_model")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointKind:
    """Base class of the kinds.

    The kinds are ``RealTime``, ``Serverless``, ``Asynchronous``, ``MultiModel`` and
    ``InferenceComponents``.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/deploy-model-options.html
    """

    SPOKEN: ClassVar[str] = ""
    TARGETS: ClassVar[tuple[str, ...]] = ()
    ZERO: ClassVar[bool] = False
    DIMENSION: ClassVar[str] = "sagemaker:variant:DesiredInstanceCount"

    def check(self, check: Checks) -> None:
        """Refuse values that the kind does not allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealTime(EndpointKind):
    """Real-time inference on instances: the default.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints.html

    Example:
        >>> RealTime()

    """

    SPOKEN: ClassVar[str] = "a real-time endpoint"
    TARGETS: ClassVar[tuple[str, ...]] = _REAL_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiModel(EndpointKind):
    """Real-time inference for many models, each loaded at its first request.

    The model has one container with ``multi_model=True`` and a prefix of artifacts.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/multi-model-endpoints.html

    Example:
        >>> MultiModel()

    """

    SPOKEN: ClassVar[str] = "a multi-model endpoint"
    TARGETS: ClassVar[tuple[str, ...]] = _REAL_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class Serverless(EndpointKind):
    """Serverless inference: capacity follows the requests.

    SageMaker allows neither network isolation nor a VPC for its model.

    Attributes:
        memory_mb: Memory in MB: 1024 to 6144 in steps of 1024.
        max_concurrency: Maximum concurrent invocations, 1 to 200.
        provisioned_concurrency: Provisioned concurrency, at most ``max_concurrency``.
        scaling: Scaling of the provisioned concurrency, by ``provisioned_utilization``.
        variant: Name of the variant.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html

    Example:
        >>> Serverless(memory_mb=3072, max_concurrency=50, provisioned_concurrency=5)

    """

    SPOKEN: ClassVar[str] = "a serverless endpoint"
    TARGETS: ClassVar[tuple[str, ...]] = ("provisioned_utilization",)
    DIMENSION: ClassVar[str] = "sagemaker:variant:DesiredProvisionedConcurrency"
    memory_mb: int = 2048
    max_concurrency: int = 20
    provisioned_concurrency: int | None = None
    scaling: Scaling | None = None
    variant: str = "AllTraffic"

    def check(self, check: Checks) -> None:
        """Refuse an invalid memory size, and a provisioned concurrency above the maximum."""
        check.name("serverless.variant", self.variant)
        check.whole("serverless.memory_mb", self.memory_mb, 1024, 6144)
        if known(self.memory_mb) and self.memory_mb % 1024:
            message = f"serverless.memory_mb must be a multiple of 1024, got {self.memory_mb}"
            check.refuse("ValueNotAllowed", message)
        check.whole("serverless.max_concurrency", self.max_concurrency, 1, 200)
        if self.provisioned_concurrency is not None:
            check.whole("serverless.provisioned_concurrency", self.provisioned_concurrency, 1,
                        self.max_concurrency)  # fmt: skip
        if self.scaling is not None:
            self._check_scaling(check, self.scaling)

    def _check_scaling(self, check: Checks, scaling: Scaling) -> None:
        if self.provisioned_concurrency is None:
            check.refuse("ValueMissing", "serverless.scaling needs provisioned_concurrency: only "
                         "workers kept ready are scaled")  # fmt: skip
        if known(scaling.maximum, self.max_concurrency) and scaling.maximum > self.max_concurrency:
            check.refuse("ValueOutOfRange", "scaling.maximum must be at most max_concurrency "
                         f"({self.max_concurrency}), got {scaling.maximum}")  # fmt: skip
        scaling.check(check, targets=self.TARGETS, zero=False, kind=self.SPOKEN)

    def rendered(self) -> dict[str, Any]:
        """A ``ProductionVariant`` without ``ModelName``."""
        config = {"MemorySizeInMB": self.memory_mb, "MaxConcurrency": self.max_concurrency}
        if self.provisioned_concurrency is not None:
            config["ProvisionedConcurrency"] = self.provisioned_concurrency
        return {
            "VariantName": self.variant,
            "InitialVariantWeight": 1.0,
            "ServerlessConfig": config,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Asynchronous(EndpointKind):
    """Asynchronous inference: requests are queued, responses are written to Amazon S3.

    Instances can scale to zero: ``Scaling(minimum=0, backlog_per_instance=5)``.

    Attributes:
        output_prefix: Prefix of responses in the data store, ending in a slash.
        failure_prefix: Prefix of failure messages; by default ``output_prefix``.
        input_prefix: Prefix of request payloads, readable by the model and writable with
            ``grant_invoke``; ``None`` for inline payloads.
        success_topic: SNS topic of successful invocations.
        error_topic: SNS topic of failed invocations.
        include_response_in: ``success``, ``error`` or both: topics whose messages include the
            response.
        max_concurrent_per_instance: Concurrent requests per instance, 1 to 1000.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html

    Example:
        >>> Asynchronous(output_prefix="scored/", input_prefix="to-score/", success_topic=topic)

    """

    SPOKEN: ClassVar[str] = "an asynchronous endpoint"
    TARGETS: ClassVar[tuple[str, ...]] = ("backlog_per_instance",)
    ZERO: ClassVar[bool] = True
    output_prefix: str
    failure_prefix: str | None = None
    input_prefix: str | None = None
    success_topic: sns.ITopic | None = None
    error_topic: sns.ITopic | None = None
    include_response_in: Sequence[str] = ()
    max_concurrent_per_instance: int | None = None

    @property
    def topics(self) -> list[sns.ITopic]:
        """The notification topics."""
        return [each for each in (self.success_topic, self.error_topic) if each is not None]

    @property
    def written(self) -> list[str]:
        """Prefixes to which the endpoint writes."""
        places = (self.output_prefix, self.failure_prefix)
        return [place for place in places if place is not None]

    def check(self, check: Checks) -> None:
        """Refuse invalid prefixes, and responses for a missing topic."""
        check.prefix("asynchronous.output_prefix", self.output_prefix)
        for label in ("failure_prefix", "input_prefix"):
            value = getattr(self, label)
            if value is not None:
                check.prefix(f"asynchronous.{label}", value)
        if self.max_concurrent_per_instance is not None:
            check.whole("asynchronous.max_concurrent_per_instance",
                        self.max_concurrent_per_instance, 1, 1000)  # fmt: skip
        topics = {"success": self.success_topic, "error": self.error_topic}
        for each in self.include_response_in:
            check.one_of("asynchronous.include_response_in", each, _INCLUDE)
            if topics.get(each, self) is None:
                check.refuse("TopicMissing", f"asynchronous.include_response_in names {each!r}, "
                             f"but there is no {each}_topic")  # fmt: skip

    def rendered(self, address: Any, key_arn: str | None) -> dict[str, Any]:
        """An ``AsyncInferenceConfig``.

        Args:
            address: Returns the ``s3://`` URI of a prefix.
            key_arn: KMS key of the responses.

        """
        output: dict[str, Any] = {"S3OutputPath": address(self.output_prefix).rstrip("/")}
        if self.failure_prefix is not None:
            output["S3FailurePath"] = address(self.failure_prefix).rstrip("/")
        if key_arn is not None:
            output["KmsKeyId"] = key_arn
        notifications: dict[str, Any] = {}
        if self.success_topic is not None:
            notifications["SuccessTopic"] = self.success_topic.topic_arn
        if self.error_topic is not None:
            notifications["ErrorTopic"] = self.error_topic.topic_arn
        if self.include_response_in:
            notifications["IncludeInferenceResponseIn"] = [
                _INCLUDE[e] for e in self.include_response_in
            ]
        if notifications:
            output["NotificationConfig"] = notifications
        config: dict[str, Any] = {"OutputConfig": output}
        if self.max_concurrent_per_instance is not None:
            config["ClientConfig"] = {
                "MaxConcurrentInvocationsPerInstance": self.max_concurrent_per_instance
            }
        return config


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceComponents(EndpointKind):
    """Instances that several models share, each as an ``InferenceComponent``.

    Variants have no model; ``managed_scaling`` adapts the instances to the copies. Each component
    has its own rollout.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/inference-components.html

    Example:
        >>> InferenceComponents()

    """

    SPOKEN: ClassVar[str] = "an endpoint of inference components"
    TARGETS: ClassVar[tuple[str, ...]] = ()
    ZERO: ClassVar[bool] = True
