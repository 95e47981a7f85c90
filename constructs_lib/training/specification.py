"""Specification of a training job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aws_cdk import aws_iam as iam
from constructs import Construct

from .._private.api_model import violations
from .._private.checks import Checks, known
from .._private.policies import allow
from ..data import DataStoreBase
from ..identity import ExecutionRole
from .algorithm import Algorithm, Program
from .channel import INPUT_MODES, Channel
from .date_partitioned_dataset import DatePartitionedDataset
from .metric import MetricDefinition, check_definitions
from .overrides import merged
from .resource_config import ResourceConfig, Spot

_CHANNELS = 20
_ENVIRONMENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpecification:
    """Specification of a training job, without its name.

    Jobs run in the VPC with network isolation, encrypted traffic between containers, and volumes
    and outputs that are encrypted with the data store's key.

    Attributes:
        algorithm: Built-in algorithm, framework with code, or custom image.
        store: Data store of datasets and models.
        role: Role of the job. Granted read on the channels and write on the outputs.
        subnet_ids: Subnets of the job.
        security_group_ids: Security groups of the job.
        data: Date-partitioned dataset, which becomes two channels.
        channels: Additional channels; at least one without ``data``, and at most 20 in total.
        compute: Instances; one ``ml.m5.xlarge`` by default.
        spot: Managed Spot training; none by default.
        input_mode: Default input mode of channels: ``File``, ``FastFile`` or ``Pipe``.
        max_runtime_seconds: Maximum runtime in seconds, 1 second to 28 days.
        max_pending_seconds: Maximum pending time for a training plan's capacity, 30 minutes to
            28 days; no limit by default.
        retries: Retries after internal errors of SageMaker, 1 to 30; none by default.
        output_prefix: Prefix of models, ending in a slash.
        output_compression: ``GZIP``, or ``NONE`` for uncompressed files; SageMaker's default
            otherwise.
        metric_definitions: Metric definitions, for custom code.
        environment: Environment of the container, 100 variables at most.
        network_isolation: Whether containers have network isolation. Without it code is
            downloaded from Amazon S3, and its requirements are installed.
        encrypt_between_containers: Whether traffic between containers is encrypted.
        overrides: Other members of ``CreateTrainingJob``, by path
            (``"TensorBoardOutputConfig.LocalPath"``) or nested; checked against the API model.

    Example:
        >>> role = TrainingRole(stack, "Role", key=store.key)
        >>> group = network.security_group(stack, "Group", description="Training")
        >>> specification = JobSpecification(
        ...     algorithm=XGBoost(hyperparameters={"num_round": 100}), store=store,
        ...     data=DatePartitionedDataset(prefix="datasets/flights/"), role=role,
        ...     compute=ResourceConfig(instance_type="ml.m5.2xlarge"),
        ...     subnet_ids=network.subnet_ids, security_group_ids=[group.security_group_id])

    """

    algorithm: Algorithm
    store: DataStoreBase
    role: ExecutionRole
    subnet_ids: Sequence[str]
    security_group_ids: Sequence[str]
    data: DatePartitionedDataset | None = None
    channels: Sequence[Channel] = ()
    compute: ResourceConfig = field(default_factory=ResourceConfig)
    spot: Spot | None = None
    input_mode: str = "File"
    max_runtime_seconds: int = 3600
    max_pending_seconds: int | None = None
    retries: int | None = None
    output_prefix: str = "models/"
    output_compression: str | None = None
    metric_definitions: Sequence[MetricDefinition] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    network_isolation: bool = True
    encrypt_between_containers: bool = True
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def channel_names(self) -> list[str]:
        """Names of the channels, those of the dataset first."""
        daily = [] if self.data is None else self.data.channel_names
        return [*daily, *[channel.name for channel in self.channels]]

    @property
    def input_prefixes(self) -> list[str]:
        """Distinct prefixes of the data store from which the job reads."""
        daily = [] if self.data is None else [self.data.prefix]
        own = [channel.prefix for channel in self.channels if channel.lies_in_store]
        return list(dict.fromkeys([*daily, *own]))

    def check(self, check: Checks) -> None:
        """Refuse values that SageMaker does not accept."""
        self._check_channels(check)
        self.compute.check(check)
        self._check_limits(check)
        check.prefix("output_prefix", self.output_prefix)
        if self.output_compression is not None:
            check.one_of("output_compression", self.output_compression, ("GZIP", "NONE"))
        check.not_empty("subnet_ids", self.subnet_ids)
        check.not_empty("security_group_ids", self.security_group_ids)
        check_definitions(check, self.metric_definitions)
        if len(self.environment) > _ENVIRONMENT:
            message = f"environment may have {_ENVIRONMENT} variables, got {len(self.environment)}"
            check.refuse("ValueOutOfRange", message)
        self.algorithm.check(check, self)

    def request(self, scope: Construct) -> dict[str, Any]:
        """The ``CreateTrainingJob`` request without ``TrainingJobName``.

        Args:
            scope: Any construct of the stack, which receives assets of code.

        Raises:
            ConfigurationError: If the region has no such image or instances, or the request does
                not match the API model.

        """
        first = self.compute.first_type
        program = self.algorithm.program(
            scope, isolated=self.network_isolation, instance_type=first
        )
        with Checks(scope) as check:
            self.compute.check_in(check, scope)
            self._check_images(check, scope)
            request = merged(check, self._rendered(scope, program), self.overrides)
            for error in violations("CreateTrainingJob", request, without=("TrainingJobName",)):
                check.refuse("RequestNotAllowed", error)
        return request

    def document(self, scope: Construct, *, job: str, start_on_deploy: bool) -> dict[str, Any]:
        """The job document, from which every trigger starts jobs (see ADR 3)."""
        document = {
            "job": job,
            "request": self.request(scope),
            "data": None if self.data is None else self.data.document(self.store),
            "start_on_deploy": start_on_deploy,
        }
        fallbacks = list(self.compute.fallback_instance_types)
        return {**document, "fallback_instance_types": fallbacks} if fallbacks else document

    def grant(self, scope: Construct) -> None:
        """Grant the role the image, read on channels and code, write on outputs and checkpoints."""
        repository = self.algorithm.image(scope, self.compute.first_type).repository_arn
        self.role.allow_images([repository] if repository else [])
        self.role.add(*_distinct(self.read_statements(scope)), *_distinct(self.write_statements()))

    def read_statements(self, scope: Construct) -> list[iam.PolicyStatement]:
        """Statements that allow the role to read."""
        daily = [] if self.data is None else self.store.read_statements(self.data.prefix)
        channels = [each for channel in self.channels
                    for each in channel.statements(scope, self.store)]  # fmt: skip
        return [*daily, *channels, *self.algorithm.statements(scope)]

    def write_statements(self) -> list[iam.PolicyStatement]:
        """Statements that allow the role to write, and to read checkpoints."""
        written = self.store.write_statements(self.output_prefix)
        if self.spot is None or self.spot.checkpoint_prefix == "":
            return written
        prefix = self.spot.checkpoint_prefix
        objects = self.store.bucket.arn_for_objects(f"{prefix}*")
        actions = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        return [*written, self.store.list_statement(prefix), allow(actions, [objects])]

    def encrypts_volume(self) -> bool:
        """Whether the instances accept a volume key."""
        return "VolumeKmsKeyId" in self.compute.rendered(self.store.key)

    def _check_channels(self, check: Checks) -> None:
        if self.data is not None:
            self.data.check(check)
        check.one_of("input_mode", self.input_mode, INPUT_MODES)
        names = self.channel_names
        if not names:
            message = "data or channels is needed, got neither: a job without a channel has no data"
            check.refuse("ChannelWithoutData", message)
        if len(names) > _CHANNELS:
            check.refuse("ValueOutOfRange", f"channels may be {_CHANNELS}, got {len(names)}")
        for name in sorted({name for name in names if known(name) and names.count(name) > 1}):
            check.refuse("NameNotUnique", f"channels has {name} twice")
        groups = [group.name for group in self.compute.groups]
        for channel in self.channels:
            channel.check(check, self.input_mode)
            for name in channel.instance_groups:
                if known(name, *groups) and name not in groups:
                    listed = ", ".join(groups) if groups else "none"
                    message = (
                        f"channel {channel.name}: instance_groups must be of {listed}, got {name!r}"
                    )
                    check.refuse("ValueNotAllowed", message)

    def _check_limits(self, check: Checks) -> None:
        check.whole("max_runtime_seconds", self.max_runtime_seconds, 1, 2_419_200)
        if self.max_pending_seconds is not None:
            check.whole("max_pending_seconds", self.max_pending_seconds, 1800, 2_419_200)
        if self.retries is not None:
            check.whole("retries", self.retries, 1, 30)
        if self.spot is None:
            return
        builtin_without = not self.algorithm.checkpoints or (
            bool(self.algorithm.metrics) and self.spot.checkpoint_prefix == ""
        )
        self.spot.check(check, self.max_runtime_seconds, checkpoints=not builtin_without)
        if self.compute.warm_pool_seconds is not None:
            check.refuse("WarmPoolNotAllowed", "warm_pool_seconds does not go with spot")

    def _check_images(self, check: Checks, scope: Construct) -> None:
        """All instance types share one request, and so one image."""
        first, *others = [self.algorithm.image(scope, each) for each in self.compute.types]
        if any(other.uri != first.uri for other in others):
            message = (
                "instance types must run the same image, all with accelerators or none, got "
                f"{', '.join(self.compute.types)}"
            )
            check.refuse("ImageNotShared", message)

    def _rendered(self, scope: Construct, program: Program) -> dict[str, Any]:
        daily = [] if self.data is None else self.data.channels(self.store)
        own = [channel.rendered(self.store, self.input_mode) for channel in self.channels]
        request: dict[str, Any] = {
            "AlgorithmSpecification": self._algorithm(scope, program),
            "RoleArn": self.role.role_arn,
            "HyperParameters": dict(program.hyperparameters),
            "InputDataConfig": [*daily, *own, *program.channels],
            "OutputDataConfig": self._output(),
            "ResourceConfig": self.compute.rendered(self.store.key),
            "StoppingCondition": self._stopping(),
            "VpcConfig": {
                "SecurityGroupIds": list(self.security_group_ids),
                "Subnets": list(self.subnet_ids),
            },
            "EnableNetworkIsolation": self.network_isolation,
            "EnableInterContainerTrafficEncryption": self.encrypt_between_containers,
        }
        return {**request, **self._options()}

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self.environment:
            options["Environment"] = dict(self.environment)
        if self.retries is not None:
            options["RetryStrategy"] = {"MaximumRetryAttempts": self.retries}
        if self.spot is None:
            return options
        options["EnableManagedSpotTraining"] = True
        if self.spot.checkpoint_prefix != "":
            place = {"S3Uri": self.store.uri(self.spot.checkpoint_prefix)}
            if self.spot.checkpoint_local_path != "":
                place["LocalPath"] = self.spot.checkpoint_local_path
            options["CheckpointConfig"] = place
        return options

    def _algorithm(self, scope: Construct, program: Program) -> dict[str, Any]:
        rendered: dict[str, Any] = {
            "TrainingImage": self.algorithm.image(scope, self.compute.first_type).uri,
            "TrainingInputMode": self.input_mode,
        }
        if self.metric_definitions:
            rendered["MetricDefinitions"] = [each.rendered() for each in self.metric_definitions]
        if program.entrypoint:
            rendered["ContainerEntrypoint"] = list(program.entrypoint)
        if program.arguments:
            rendered["ContainerArguments"] = list(program.arguments)
        return rendered

    def _output(self) -> dict[str, Any]:
        output = {"S3OutputPath": self.store.uri(self.output_prefix).rstrip("/")}
        if self.output_compression is not None:
            output["CompressionType"] = self.output_compression
        return output if self.store.key is None else {**output, "KmsKeyId": self.store.key.key_arn}

    def _stopping(self) -> dict[str, int]:
        limits = {"MaxRuntimeInSeconds": self.max_runtime_seconds}
        if self.spot is not None and self.spot.max_wait_seconds is not None:
            limits["MaxWaitTimeInSeconds"] = self.spot.max_wait_seconds
        if self.max_pending_seconds is not None:
            limits["MaxPendingTimeInSeconds"] = self.max_pending_seconds
        return limits


def _distinct(statements: Sequence[iam.PolicyStatement]) -> list[iam.PolicyStatement]:
    """Statements without duplicates."""
    distinct: dict[str, iam.PolicyStatement] = {}
    for statement in statements:
        distinct.setdefault(str(statement.to_json()), statement)
    return list(distinct.values())


__all__ = ["DatePartitionedDataset", "JobSpecification"]
