"""Instances of training jobs: types, groups, Spot capacity and fallback types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_kms as kms
from constructs import Construct

from .._private.checks import Checks, known
from .instances import check_region, check_training_type, has_local_disk

_GROUPS = 5
_DEFAULT_TYPE = "ml.m5.xlarge"
_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceGroup:
    """An instance group of a heterogeneous cluster.

    Attributes:
        name: Name, unique in the job, 64 characters at most.
        instance_type: ML instance type.
        instance_count: Instances.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/train-heterogeneous-cluster.html

    """

    name: str
    instance_type: str
    instance_count: int = 1

    def rendered(self) -> dict[str, Any]:
        """The instance group for the request."""
        return {
            "InstanceGroupName": self.name,
            "InstanceType": self.instance_type,
            "InstanceCount": self.instance_count,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceConfig:
    """Instances of a training job.

    Attributes:
        instance_type: ML instance type, ``ml.m5.xlarge`` by default; not allowed with ``groups``.
        instance_count: Instances, 1 to 100.
        volume_gb: Size of each instance's volume in GB; ignored with instance storage.
        groups: 1 to 5 instance groups, in place of type and count.
        warm_pool_seconds: Keep-alive period of a warm pool, 0 to 3600; billed.
        fallback_instance_types: Types that are tried in this order after a capacity error.
        check_region: Whether to refuse accelerators not known in the region.

    Example:
        >>> ResourceConfig(instance_type="ml.g5.2xlarge", instance_count=2, volume_gb=100,
        ...         fallback_instance_types=["ml.g6.2xlarge"])

    """

    instance_type: str | None = None
    instance_count: int | None = None
    volume_gb: int = 30
    groups: Sequence[InstanceGroup] = ()
    warm_pool_seconds: int | None = None
    fallback_instance_types: Sequence[str] = ()
    check_region: bool = True

    @property
    def first_type(self) -> str:
        """The instance type that determines the image; with groups, that of the first group."""
        if self.instance_type is not None:
            return self.instance_type
        return self.groups[0].instance_type if self.groups else _DEFAULT_TYPE

    @property
    def types(self) -> list[str]:
        """All instance types, fallback types included."""
        own = [group.instance_type for group in self.groups] or [self.first_type]
        return [*own, *self.fallback_instance_types]

    @property
    def hosts(self) -> int:
        """The total number of instances."""
        if self.groups:
            return sum(group.instance_count for group in self.groups)
        return 1 if self.instance_count is None else self.instance_count

    def check(self, check: Checks) -> None:
        """Refuse values that SageMaker does not accept."""
        if self.groups:
            self._check_groups(check)
        else:
            check_training_type(check, "instance_type", self.first_type)
            check.whole("instance_count", self.hosts, 1, 100)
        check.whole("volume_gb", self.volume_gb, 1, 16384)
        if self.warm_pool_seconds is not None:
            check.whole("warm_pool_seconds", self.warm_pool_seconds, 0, _HOUR)
            if self.groups:
                message = "warm_pool_seconds does not go with groups"
                check.refuse("WarmPoolNotAllowed", message)
        self._check_fallbacks(check)

    def check_in(self, check: Checks, scope: Construct) -> None:
        """Refuse accelerators that are not known in the stack's region."""
        if self.check_region:
            for each in dict.fromkeys(self.types):
                check_region(check, "instance_type", each, Stack.of(scope).region)

    def rendered(self, key: kms.IKey | None) -> dict[str, Any]:
        """``ResourceConfig``.

        Args:
            key: KMS key of the volumes; omitted for instance storage.

        """
        resources: dict[str, Any] = (
            {"InstanceGroups": [group.rendered() for group in self.groups]} if self.groups
            else {"InstanceType": self.first_type, "InstanceCount": self.hosts}
        )  # fmt: skip
        resources["VolumeSizeInGB"] = self.volume_gb
        if key is not None and not any(has_local_disk(each) for each in self.types):
            resources["VolumeKmsKeyId"] = key.key_arn
        if self.warm_pool_seconds is not None:
            resources["KeepAlivePeriodInSeconds"] = self.warm_pool_seconds
        return resources

    def _check_groups(self, check: Checks) -> None:
        if self.instance_type is not None or self.instance_count is not None:
            message = "groups replace instance_type and instance_count, got both"
            check.refuse("GroupsNotAllowed", message)
        if len(self.groups) > _GROUPS:
            message = f"groups must be 1 to {_GROUPS}, got {len(self.groups)}"
            check.refuse("ValueOutOfRange", message)
        names = [group.name for group in self.groups]
        if known(*names) and len(set(names)) < len(names):
            check.refuse("NameNotUnique", f"groups must have unique names, got {', '.join(names)}")
        for group in self.groups:
            check.matches("the name of a group", group.name, r".+", 64)
            check_training_type(check, f"instance_type of group {group.name}", group.instance_type)
            check.whole(f"instance_count of group {group.name}", group.instance_count, 1, 100)

    def _check_fallbacks(self, check: Checks) -> None:
        if not self.fallback_instance_types:
            return
        if self.groups:
            message = "fallback_instance_types do not go with groups"
            check.refuse("FallbackNotAllowed", message)
        for each in self.fallback_instance_types:
            check_training_type(check, "fallback_instance_types", each)
        types = self.types
        if known(*types) and len(set(types)) < len(types):
            message = f"fallback_instance_types must name each type once, got {', '.join(types)}"
            check.refuse("NameNotUnique", message)
        disks = {has_local_disk(each) for each in types}
        if known(*types) and len(disks) > 1:
            # All types share one request, with or without a volume key.
            message = (
                "fallback_instance_types must keep volumes as instance_type does: all on local "
                f"disks or none, got {', '.join(types)}"
            )
            check.refuse("FallbackNotAllowed", message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Managed Spot training.

    Attributes:
        max_wait_seconds: Limit of waiting and running; at least ``max_runtime_seconds``.
        checkpoint_prefix: Prefix of checkpoints in the data store, ending in a slash; none by
            default. Each job has its own prefix below it.
        checkpoint_local_path: Path in the container, ``/opt/ml/checkpoints`` by default.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html

    Example:
        >>> Spot(max_wait_seconds=7200, checkpoint_prefix="checkpoints/")

    """

    max_wait_seconds: int | None = None
    checkpoint_prefix: str = ""
    checkpoint_local_path: str = ""

    def check(self, check: Checks, max_runtime_seconds: int, *, checkpoints: bool) -> None:
        """Refuse values that SageMaker does not accept.

        Args:
            check: Collects the errors.
            max_runtime_seconds: Maximum runtime of the job.
            checkpoints: Whether the algorithm writes checkpoints.

        """
        wait = self.max_wait_seconds
        if wait is None:
            message = "spot needs max_wait_seconds"
            check.refuse("ValueMissing", message)
        elif known(wait):
            check.whole("spot.max_wait_seconds", wait, 1, 2_419_200)
            if known(max_runtime_seconds) and wait < max_runtime_seconds:
                message = (
                    f"spot.max_wait_seconds must be at least max_runtime_seconds "
                    f"({max_runtime_seconds}), got {wait}"
                )
                check.refuse("ValueOutOfRange", message)
            self._check_hour(check, wait, checkpoints=checkpoints)
        if self.checkpoint_prefix != "":
            check.prefix("spot.checkpoint_prefix", self.checkpoint_prefix)
        elif self.checkpoint_local_path != "":
            message = "spot.checkpoint_local_path needs spot.checkpoint_prefix"
            check.refuse("ValueMissing", message)

    def _check_hour(self, check: Checks, wait: int, *, checkpoints: bool) -> None:
        if not checkpoints and wait > _HOUR:
            message = (
                "spot.max_wait_seconds must be at most 3600 for a built-in algorithm without "
                f"checkpoints, got {wait}"
            )
            check.refuse("ValueOutOfRange", message)
