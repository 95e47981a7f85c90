"""Inference component: one of several models on the instances of an endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from .._private.alarm_duties import ROLLBACK, claim
from .._private.api_model import violations
from .._private.checks import Checks, known
from .._private.l1 import arguments
from .._private.policies import allow, arn, attach
from .autoscaling import Scaled, Wake, declare
from .endpoint import Endpoint
from .kinds import InferenceComponents
from .model import ModelBase
from .rollout import Rolling
from .scaling import Scaling

_TARGETS = ("invocations_per_copy", "concurrency_per_copy")
_WHAT = "an inference component"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeResourceRequirements:
    """Compute resources that one copy of an inference component requires.

    Attributes:
        memory_mb: Minimum memory in MB, at least 128.
        max_memory_mb: Maximum memory in MB.
        cpu_cores: vCPU cores, at least 0.25.
        accelerators: GPUs or Neuron devices, at least 1.

    See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_InferenceComponentComputeResourceRequirements.html

    Example:
        >>> ComputeResourceRequirements(memory_mb=1024, cpu_cores=1)

    """

    LEAST_MEMORY: ClassVar[int] = 128
    memory_mb: int = 1024
    max_memory_mb: int | None = None
    cpu_cores: float | None = 1
    accelerators: int | None = None

    def check(self, check: Checks) -> None:
        """Refuse values below SageMaker's minimum."""
        check.whole("resources.memory_mb", self.memory_mb, self.LEAST_MEMORY)
        if self.max_memory_mb is not None:
            check.whole("resources.max_memory_mb", self.max_memory_mb, self.memory_mb)
        if self.cpu_cores is not None:
            check.between("resources.cpu_cores", self.cpu_cores, 0.25)
        if self.accelerators is not None:
            check.whole("resources.accelerators", self.accelerators, 1)

    def rendered(self) -> dict[str, Any]:
        """``ComputeResourceRequirements``."""
        values = {
            "MinMemoryRequiredInMb": self.memory_mb,
            "MaxMemoryRequiredInMb": self.max_memory_mb,
            "NumberOfCpuCoresRequired": self.cpu_cores,
            "NumberOfAcceleratorDevicesRequired": self.accelerators,
        }
        return {name: value for name, value in values.items() if value is not None}


class InferenceComponent(Construct):
    """Defines an inference component: a model with a number of copies on an endpoint.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/inference-components.html

    Example:
        >>> endpoint = Endpoint(stack, "Shared", endpoint_name="shared", role=role,
        ...     network=network, kind=InferenceComponents(),
        ...     variants=[Variant(managed_scaling=ManagedInstanceScaling(minimum=0))])
        >>> InferenceComponent(stack, "Digits", endpoint=endpoint, name="digits", model=model,
        ...                    scaling=Scaling(minimum=0, maximum=4, concurrency_per_copy=5))

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: Endpoint,
        name: str,
        model: ModelBase | None = None,
        base: InferenceComponent | None = None,
        artifact_uri: str | None = None,
        resources: ComputeResourceRequirements | None = None,
        copies: int = 1,
        scaling: Scaling | None = None,
        rollout: Rolling | None = None,
        rollback_alarms: Sequence[cloudwatch.IAlarm] = (),
        variant: str | None = None,
        startup_seconds: int | None = None,
        download_seconds: int | None = None,
    ) -> None:
        """Define the component.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            endpoint: Endpoint of the kind ``InferenceComponents``.
            name: Name of the inference component, which requests specify.
            model: Model that it serves.
            base: Base inference component of an adapter, in place of a model.
            artifact_uri: ``s3://`` URI of the adapter's artifact.
            resources: Resources of a copy, 1 core and 1024 MB by default; an adapter uses those
                of its base.
            copies: Initial number of copies, at least 1.
            scaling: Automatic scaling of the copies; none by default.
            rollout: Rolling update, in copies or percent; SageMaker's default otherwise.
            rollback_alarms: Alarms that roll back a rollout, at most 10.
            variant: Variant on whose instances it runs; the endpoint's first by default.
            startup_seconds: Time limit of a copy's first health check, 60 to 3600.
            download_seconds: Time limit of downloading the artifact, 60 to 3600.

        Raises:
            ConfigurationError: If a value or a combination is not allowed.

        """
        super().__init__(scope, construct_id)
        self.endpoint, self.name, self.copies, self.base = endpoint, name, copies, base
        self.variant = endpoint.setup.variants[0].name if variant is None else variant
        with Checks(self) as check:
            self._check_place(check, model, artifact_uri, resources)
            check.name("name", name)
            # SageMaker's API model allows 0, and refuses it; scaling goes to 0 afterwards.
            check.whole("copies", copies, 1)
            _check_seconds(check, startup_seconds, download_seconds)
            _check_changes(check, copies, scaling, rollout, rollback_alarms)
        claim(self, rollback_alarms, ROLLBACK)
        specification = self._specification(model, artifact_uri, resources)
        startup = {
            "ContainerStartupHealthCheckTimeoutInSeconds": startup_seconds,
            "ModelDataDownloadTimeoutInSeconds": download_seconds,
        }
        parameters = {key: value for key, value in startup.items() if value is not None}
        if parameters:
            specification["StartupParameters"] = parameters
        self.resource = self._build(specification, rollout, rollback_alarms)
        if scaling is not None:
            self._scale(scaling)

    @property
    def component_arn(self) -> str:
        """ARN of the component."""
        return arn(self, "sagemaker", "inference-component", self.name)

    def grant_invoke(self, grantee: iam.IGrantable, *, streaming: bool = False) -> iam.Grant:
        """Grant permission to invoke this component.

        Args:
            grantee: Principal that receives the permission.
            streaming: Whether to allow response streaming as well.

        """
        actions = ["sagemaker:InvokeEndpoint"]
        if streaming:
            actions.append("sagemaker:InvokeEndpointWithResponseStream")
        places = [self.endpoint.endpoint_arn, self.component_arn]
        return attach(grantee, [allow(actions, places)])

    def metric(
        self,
        name: str,
        *,
        statistic: str = "Sum",
        period: Duration | None = None,
        **options: Any,
    ) -> cloudwatch.Metric:
        """A metric of the component, per minute by default.

        Args:
            name: Name of the metric, for example ``InvocationsPerCopy``.
            statistic: CloudWatch statistic.
            period: 1 minute by default.
            options: Options of CDK's ``Metric``.

        """
        return cloudwatch.Metric(
            metric_name=name,
            dimensions_map={"InferenceComponentName": self.name},
            statistic=statistic,
            period=Duration.minutes(1) if period is None else period,
            **{"namespace": "AWS/SageMaker", **options},
        )

    def metric_invocations(self, **options: Any) -> cloudwatch.Metric:
        """Requests."""
        return self.metric("Invocations", **options)

    def metric_invocations_per_copy(self, **options: Any) -> cloudwatch.Metric:
        """Invocations per minute and copy."""
        return self.metric("InvocationsPerCopy", **options)

    def metric_concurrency_per_copy(self, **options: Any) -> cloudwatch.Metric:
        """Concurrent requests per copy."""
        return self.metric("ConcurrentRequestsPerCopy", **{"statistic": "Maximum", **options})

    def metric_model_latency(self, *, percentile: float = 99, **options: Any) -> cloudwatch.Metric:
        """Model latency in MICROSECONDS.

        Args:
            percentile: Percentile, for example 50.
            options: Options of CDK's ``Metric``.

        """
        return self.metric("ModelLatency", **{"statistic": f"p{percentile:g}", **options})

    def metric_without_capacity(self, **options: Any) -> cloudwatch.Metric:
        """Invocations that failed because there was no copy."""
        return self.metric("NoCapacityInvocationFailures", **options)

    def _check_place(
        self,
        check: Checks,
        model: ModelBase | None,
        artifact_uri: str | None,
        resources: ComputeResourceRequirements | None,
    ) -> None:
        if not isinstance(self.endpoint.kind, InferenceComponents):
            check.refuse("EndpointNotOfKind", f"{_WHAT} needs an endpoint of the kind "
                         f"InferenceComponents, got {self.endpoint.kind.SPOKEN}")  # fmt: skip
        names = [each.name for each in self.endpoint.setup.variants]
        if known(self.variant, *names):
            check.one_of("variant", self.variant, names)
        if (model is None) == (self.base is None):
            check.refuse("ModelMissing", f"{_WHAT} needs either a model or the base of an "
                         "adapter")  # fmt: skip
        self._check_adapter(check, artifact_uri, resources)
        if model is not None and (model.is_multi_model or model.is_pipeline):
            check.refuse("ModelNotOfKind", f"{_WHAT} serves a model of one container, not "
                         "multi-model")  # fmt: skip
        if resources is not None:
            resources.check(check)

    def _check_adapter(
        self, check: Checks, artifact_uri: str | None, resources: ComputeResourceRequirements | None
    ) -> None:
        if self.base is None and artifact_uri is not None:
            check.refuse(
                "ArtifactNotAllowed", "artifact_uri is allowed only for an adapter: give base too"
            )
        if self.base is None:
            return
        if artifact_uri is None:
            check.refuse("ArtifactMissing", "an adapter needs artifact_uri")
        if resources is not None:
            check.refuse("ResourcesNotAllowed", "an adapter uses the resources of its base: leave "
                         "resources out")  # fmt: skip
        if self.base.base is not None:
            check.refuse("BaseNotAllowed", "the base of an adapter cannot be an adapter, got "
                         f"{self.base.name!r}")  # fmt: skip

    def _specification(
        self,
        model: ModelBase | None,
        artifact_uri: str | None,
        resources: ComputeResourceRequirements | None,
    ) -> dict[str, Any]:
        if model is None:
            assert self.base is not None
            return {
                "BaseInferenceComponentName": self.base.name,
                "Container": {"ArtifactUrl": artifact_uri},
            }
        needed = ComputeResourceRequirements() if resources is None else resources
        return {"ModelName": model.model_name, "ComputeResourceRequirements": needed.rendered()}

    def _build(
        self,
        specification: dict[str, Any],
        rollout: Rolling | None,
        alarms: Sequence[cloudwatch.IAlarm],
    ) -> sagemaker.CfnInferenceComponent:
        self.request: dict[str, Any] = {
            "InferenceComponentName": self.name,
            "EndpointName": self.endpoint.endpoint_name,
            "VariantName": self.variant,
            "Specification": specification,
            "RuntimeConfig": {"CopyCount": self.copies},
        }
        if self.base is not None:
            # An adapter is loaded into each copy of its base.
            del self.request["RuntimeConfig"], self.request["VariantName"]
        with Checks(self) as check:
            for violation in violations("CreateInferenceComponent", self.request):
                check.refuse("RequestNotAllowed", violation)
        deployment = _deployment(rollout, alarms)
        kind = sagemaker.CfnInferenceComponent
        resource = kind(self, "Resource", **arguments(kind, {**self.request, **deployment}))
        resource.node.add_dependency(self.endpoint.resource)
        if self.base is not None:
            resource.node.add_dependency(self.base.resource)
        return resource

    def _scale(self, scaling: Scaling) -> None:
        failures = self.metric_without_capacity(statistic="Maximum", period=Duration.seconds(30))
        declare(self, "", scaling, Scaled(
            resource_id=f"inference-component/{self.name}",
            dimension="sagemaker:inference-component:DesiredCopyCount",
            endpoint_name=self.endpoint.endpoint_name,
            dimensions={"InferenceComponentName": self.name},
            after=[self.resource],
            wake=Wake(metric=failures, periods=1),
        ))  # fmt: skip


def _deployment(rollout: Rolling | None, alarms: Sequence[cloudwatch.IAlarm]) -> dict[str, Any]:
    """A ``DeploymentConfig`` in units of copies."""
    if rollout is None:
        return {}
    policy = rollout.rendered()["RollingUpdatePolicy"]
    for name in ("MaximumBatchSize", "RollbackMaximumBatchSize"):
        if policy.get(name, {}).get("Type") == "INSTANCE_COUNT":
            policy[name] = {**policy[name], "Type": "COPY_COUNT"}
    config: dict[str, Any] = {"RollingUpdatePolicy": policy}
    if alarms:
        named = [{"AlarmName": alarm.alarm_name} for alarm in alarms]
        config["AutoRollbackConfiguration"] = {"Alarms": named}
    return {"DeploymentConfig": config}


def _check_seconds(check: Checks, startup: int | None, download: int | None) -> None:
    for label, value in {"startup_seconds": startup, "download_seconds": download}.items():
        if value is not None:
            check.whole(label, value, 60, 3600)


def _check_changes(
    check: Checks,
    copies: int,
    scaling: Scaling | None,
    rollout: Rolling | None,
    alarms: Sequence[cloudwatch.IAlarm],
) -> None:
    """Refuse scaling targets of other kinds, and rollout steps that are too large."""
    if scaling is not None:
        scaling.check(check, targets=_TARGETS, zero=True, kind=_WHAT)
    if rollout is not None:
        rollout.check(check, [copies] if known(copies) else [])
    if len(alarms) > 10:
        check.refuse("ValueOutOfRange", f"rollback_alarms must be 10 at most, got {len(alarms)}")
    if alarms and rollout is None:
        check.refuse("RolloutMissing", "rollback_alarms needs rollout")
