"""Application Auto Scaling's API: targets, policies and schedules, declared and stored.

Nothing is scaled yet: a stored policy has no alarms and changes no capacity, and
DescribeScalingActivities is empty.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.service import Call, Service, operation
from sageloop.local_cloud.scaling import checks
from sageloop.local_cloud.scaling.attachments import AttachmentApi
from sageloop.local_cloud.scaling.model import Store, Target, TargetKey
from sageloop.local_cloud.scaling.paging import page
from sageloop.local_cloud.scaling.tags import TagApi

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_NOT_SUSPENDED = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}
_SERVICE_ROLES = {
    "dynamodb": "DynamoDBTable",
    "ecs": "ECSService",
    "lambda": "LambdaConcurrency",
    "rds": "RDSCluster",
    "sagemaker": "SageMakerEndpoint",
}


class ApplicationAutoScalingService(Service):
    """Scalable targets, and what is attached to them."""

    model = "application-autoscaling"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.store = Store()
        self.include(AttachmentApi(cloud, self.store))
        self.include(TagApi(self.store))

    @operation("RegisterScalableTarget")
    def register_scalable_target(self, call: Call) -> dict[str, Any]:
        """Register a target, or change the members given of one that is registered."""
        given = call.params
        key = TargetKey.of(given, call.region)
        checks.check_dimension(key)
        checks.check_resource(self.cloud, key)
        with self.store.lock:
            target = self._target(given, key, call.account_id, self.store.targets.get(key))
            self.store.targets[key] = target
            if given.get("Tags"):
                self.store.tags.setdefault(target.arn, {}).update(given["Tags"])
        return {"ScalableTargetARN": target.arn}

    @operation("DescribeScalableTargets")
    def describe_scalable_targets(self, call: Call) -> dict[str, Any]:
        """Targets of a namespace, narrowed by resource and dimension."""
        given = call.params
        wanted = given.get("ResourceIds")
        with self.store.lock:
            found = [
                t.described()
                for t in self.store.targets.values()
                if t.key.region == call.region
                and t.key.namespace == given["ServiceNamespace"]
                and (not wanted or t.key.resource in wanted)
                and given.get("ScalableDimension") in (None, t.key.dimension)
            ]
        return page("ScalableTargets", found, call)

    @operation("DeregisterScalableTarget")
    def deregister_scalable_target(self, call: Call) -> None:
        """Forget a target with its policies and scheduled actions."""
        key = TargetKey.of(call.params, call.region)
        if self.store.remove_target(key) is None:
            raise checks.missing(
                f"No scalable target found for service namespace: {key.namespace}, resource ID: "
                f"{key.resource}, scalable dimension: {key.dimension}"
            )

    @operation("DescribeScalingActivities")
    def describe_scaling_activities(self, call: Call) -> dict[str, Any]:
        """None: nothing is scaled yet."""
        return {"ScalingActivities": []}

    def _target(
        self, given: Mapping[str, Any], key: TargetKey, account_id: str, old: Target | None
    ) -> Target:
        minimum = given.get("MinCapacity", old.minimum if old else None)
        maximum = given.get("MaxCapacity", old.maximum if old else None)
        checks.check_capacity(minimum, maximum)
        identity = old.identity if old else uuid.uuid4().hex[:32]
        arn = (
            f"arn:aws:application-autoscaling:{key.region}:{account_id}:scalable-target/{identity}"
        )
        suspended = {
            **(old.suspended if old else _NOT_SUSPENDED),
            **given.get("SuspendedState", {}),
        }
        role = given.get("RoleARN") or (old.role if old else _service_role(key, account_id))
        return Target(
            key, arn, identity, int(minimum), int(maximum), role, suspended,
            old.created if old else self.cloud.clock.now(),
        )  # fmt: skip


def _service_role(key: TargetKey, account_id: str) -> str:
    name = _SERVICE_ROLES.get(key.namespace, key.namespace.title())
    return (
        f"arn:aws:iam::{account_id}:role/aws-service-role/"
        f"{key.namespace}.application-autoscaling.amazonaws.com/"
        f"AWSServiceRoleForApplicationAutoScaling_{name}"
    )
