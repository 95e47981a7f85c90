"""A training job's specification: one complete request, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from constructs import Construct

from .._private.checks import Checks, known
from ..data import DataStoreBase
from ..identity import ExecutionRole
from .xgboost import XGBoost

_LOCAL_DISK = {"g4dn", "g4ad", "g5", "g6", "g6e", "p3dn", "p4d", "p4de", "p5", "p5e", "p5en",
               "p6", "trn1", "trn1n", "trn2"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyData:
    """A data set that lies in daily partitions, ``<prefix>dt=YYYY-MM-DD/``.

    Attributes:
        prefix: Where the partitions lie, ending in a slash.
        manifest: Key of the object that completes a delivery; ``<prefix>manifest.json`` if empty.
        validation_days: The last days of a set, held out.
        window_days: How far back a training that was not started by data looks.

    """

    prefix: str
    manifest: str = ""
    validation_days: int = 7
    window_days: int = 42

    @property
    def manifest_key(self) -> str:
        """Key of the manifest object."""
        return self.manifest if self.manifest else f"{self.prefix}manifest.json"

    def check(self, check: Checks) -> None:
        """Refuse days that leave nothing to train on."""
        check.prefix("data.prefix", self.prefix)
        check.whole("data.validation_days", self.validation_days, 1, 365)
        check.whole("data.window_days", self.window_days, 2, 3650)
        days = (self.validation_days, self.window_days)
        if known(*days) and self.validation_days >= self.window_days:
            message = (
                f"data.validation_days must be fewer than data.window_days, got "
                f"{self.validation_days} of {self.window_days}"
            )
            check.refuse("ValueOutOfRange", message)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpecification:
    """Everything that a training job is, but its name.

    Jobs are isolated from the network, encrypt what travels between their containers, and keep
    volumes and output under the store's key.

    Attributes:
        algorithm: The algorithm with its hyperparameters.
        store: Where data and models lie.
        data: The data set.
        role: Role of the job.
        subnet_ids: Subnets of the job.
        security_group_ids: Security groups of the job.
        instance_type: ML instance type.
        instance_count: Instances.
        volume_gb: Size of each instance's volume.
        max_runtime_seconds: After which SageMaker stops the job, 1 second to 28 days.
        output_prefix: Where models go, ending in a slash.
        environment: Environment of the container.

    Example:
        >>> role = TrainingRole(stack, "Role", key=store.key)
        >>> group = network.workload_group(stack, "Group", description="Training")
        >>> specification = JobSpecification(
        ...     algorithm=XGBoost(hyperparameters={"num_round": 100}), store=store,
        ...     data=DailyData(prefix="datasets/flights/"), role=role,
        ...     subnet_ids=network.subnet_ids, security_group_ids=[group.security_group_id])

    """

    algorithm: XGBoost
    store: DataStoreBase
    data: DailyData
    role: ExecutionRole
    subnet_ids: list[str]
    security_group_ids: list[str]
    instance_type: str = "ml.m5.xlarge"
    instance_count: int = 1
    volume_gb: int = 30
    max_runtime_seconds: int = 3600
    output_prefix: str = "models/"
    environment: dict[str, str] = field(default_factory=dict)

    def check(self, check: Checks) -> None:
        """Refuse what SageMaker would refuse later."""
        self.data.check(check)
        check.instance_type("instance_type", self.instance_type)
        check.whole("instance_count", self.instance_count, 1, 100)
        check.whole("volume_gb", self.volume_gb, 1, 16384)
        check.whole("max_runtime_seconds", self.max_runtime_seconds, 1, 2_419_200)
        check.prefix("output_prefix", self.output_prefix)
        check.not_empty("subnet_ids", self.subnet_ids)
        check.not_empty("security_group_ids", self.security_group_ids)

    def request(self, scope: Construct) -> dict[str, Any]:
        """The ``CreateTrainingJob`` request without ``TrainingJobName``."""
        request: dict[str, Any] = {
            "AlgorithmSpecification": {
                "TrainingImage": self.algorithm.image(scope).uri,
                "TrainingInputMode": "File",
            },
            "RoleArn": self.role.role_arn,
            "HyperParameters": self.algorithm.rendered(),
            "InputDataConfig": [self._channel("train"), self._channel("validation")],
            "OutputDataConfig": self._output(),
            "ResourceConfig": self._resources(),
            "StoppingCondition": {"MaxRuntimeInSeconds": self.max_runtime_seconds},
            "VpcConfig": {
                "SecurityGroupIds": self.security_group_ids,
                "Subnets": self.subnet_ids,
            },
            "EnableNetworkIsolation": True,
            "EnableInterContainerTrafficEncryption": True,
        }
        if self.environment:
            request["Environment"] = dict(self.environment)
        return request

    def document(self, scope: Construct, *, job: str, start_on_deploy: bool) -> dict[str, Any]:
        """The document from which every trigger starts a job (see ADR 3)."""
        return {
            "job": job,
            "request": self.request(scope),
            "data": {
                "bucket": self.store.bucket.bucket_name,
                "prefix": self.data.prefix,
                "manifest_key": self.data.manifest_key,
                "train_channel": "train",
                "validation_channel": "validation",
                "validation_days": self.data.validation_days,
                "window_days": self.data.window_days,
            },
            "start_on_deploy": start_on_deploy,
        }

    def encrypts_volume(self) -> bool:
        """Whether the type takes a volume key: those with local disks refuse one."""
        if not known(self.instance_type):
            return True
        family = self.instance_type.split(".")[1]
        return family not in _LOCAL_DISK and not family.endswith("d")

    def _channel(self, name: str) -> dict[str, Any]:
        # Whoever starts the job puts its own manifest of partitions in the place of the prefix.
        source = {
            "S3DataType": "ManifestFile",
            "S3Uri": self.store.uri(self.data.prefix),
            "S3DataDistributionType": "FullyReplicated",
        }
        return {
            "ChannelName": name,
            "DataSource": {"S3DataSource": source},
            "ContentType": "text/csv",
            "CompressionType": "None",
        }

    def _output(self) -> dict[str, Any]:
        output = {"S3OutputPath": self.store.uri(self.output_prefix).rstrip("/")}
        return output if self.store.key is None else {**output, "KmsKeyId": self.store.key.key_arn}

    def _resources(self) -> dict[str, Any]:
        resources: dict[str, Any] = {
            "InstanceType": self.instance_type,
            "InstanceCount": self.instance_count,
            "VolumeSizeInGB": self.volume_gb,
        }
        if self.store.key is not None and self.encrypts_volume():
            resources["VolumeKmsKeyId"] = self.store.key.key_arn
        return resources
