"""The Application Auto Scaling service: targets, policies and scheduled actions."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.naming import partition_of, regional_arn
from sageloop.local_cloud.core.service import Call, Service, operation
from sageloop.local_cloud.scaling import checks, resources
from sageloop.local_cloud.scaling.activities import ActivityLog
from sageloop.local_cloud.scaling.attachments import AttachmentApi
from sageloop.local_cloud.scaling.model import Store, Target, TargetKey
from sageloop.local_cloud.scaling.paging import page
from sageloop.local_cloud.scaling.publishing import Publisher
from sageloop.local_cloud.scaling.readings import Alarms
from sageloop.local_cloud.scaling.scaler import Scaler
from sageloop.local_cloud.scaling.tags import TagApi
from sageloop.local_cloud.scaling.timetable import Timetable

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_NOT_SUSPENDED = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}


class ApplicationAutoScalingService(Service):
    """Application Auto Scaling for SageMaker's resources.

    Alarms call :meth:`run_policy`. SageMaker calls :meth:`refuse_update` before it changes an
    endpoint, and :meth:`resource_deleted` after it has deleted one.
    """

    model = "application-autoscaling"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.store = Store()
        alarms = Alarms(cloud)
        log = ActivityLog(cloud.clock)
        self._scaler = Scaler(cloud, self.store, log, alarms)
        self._timetable = Timetable(cloud, self.store, log, self._scaler)
        self._publisher = Publisher(cloud, self.store)
        self._attachments = AttachmentApi(
            cloud, self.store, alarms, self._timetable, self._publisher
        )
        self.include(self._attachments)
        self.include(log)
        self.include(TagApi(self.store))

    def start(self) -> None:
        """Start to publish the metrics of scaled resources."""
        self._publisher.start()

    def stop(self) -> None:
        """Stop all schedules."""
        self._timetable.stop()

    def run_policy(self, arn: str, alarm: str, state: str) -> None:
        """Run a policy as the action of an alarm in a state; called by CloudWatch.

        Raises ``AwsError`` if the policy does not exist, or the alarm is not the policy's own.
        """
        self._scaler.run_policy(arn, alarm, state)

    def refuse_update(
        self, endpoint: str, old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> None:  # fmt: skip
        """Refuse an update that removes a scaled variant or changes its type, as SageMaker does.

        ``old`` and ``new`` are endpoint configurations.
        """
        prefix = f"endpoint/{endpoint}/variant/"
        with self.store.lock:
            scaled = {
                key.resource.removeprefix(prefix)
                for key in self.store.targets
                if key.resource.startswith(prefix)
            }
        changed = resources.scaled_variants_changed(scaled, old, new)
        if changed:
            raise checks.invalid(
                f'Variant(s) "[{", ".join(changed)}]" must be deregistered as scalable targets '
                "with AWS Auto Scaling before they can be removed or have their instance type "
                "updated."
            )

    def resource_deleted(self, resource: str) -> None:
        """Deregister the targets of a deleted ``endpoint/<name>`` or inference component."""
        with self.store.lock:
            gone = [
                key
                for key in self.store.targets
                if key.resource == resource or key.resource.startswith(f"{resource}/")
            ]
        for key in gone:
            self._deregister(key)

    @operation("RegisterScalableTarget")
    def register_scalable_target(self, call: Call) -> dict[str, Any]:
        """Register a target, or change the specified members of a registered one."""
        params = call.params
        key = TargetKey.of(params, call.region)
        checks.check_dimension(key, call.operation)
        with self.store.lock:
            target = self._target(params, key, call.account_id, self.store.targets.get(key))
        resources.check_resource(self.cloud, key, target.minimum)
        with self.store.lock:
            self.store.targets[key] = target
            if params.get("Tags"):
                self.store.tags.setdefault(target.arn, {}).update(params["Tags"])
        # A resource that is not in service is not changed.
        self._scaler.adjust(key, wait=False)
        return {"ScalableTargetARN": target.arn}

    @operation("DescribeScalableTargets")
    def describe_scalable_targets(self, call: Call) -> dict[str, Any]:
        """Return targets of a namespace, by resource and dimension."""
        params = call.params
        resource_ids = params.get("ResourceIds")
        with self.store.lock:
            targets = [
                t.described()
                for t in self.store.targets.values()
                if t.key.region == call.region
                and t.key.namespace == params["ServiceNamespace"]
                and (not resource_ids or t.key.resource in resource_ids)
                and params.get("ScalableDimension") in (None, t.key.dimension)
            ]
        return page("ScalableTargets", targets, call)

    @operation("DeregisterScalableTarget")
    def deregister_scalable_target(self, call: Call) -> None:
        """Delete a target with its policies, their alarms, and its scheduled actions."""
        key = TargetKey.of(call.params, call.region)
        if not self._deregister(key):
            raise checks.missing(
                f"No scalable target found for service namespace: {key.namespace}, resource ID: "
                f"{key.resource}, scalable dimension: {key.dimension}"
            )

    def _deregister(self, key: TargetKey) -> bool:
        self._attachments.release(key)
        self._scaler.forget(key)
        return self.store.remove_target(key) is not None

    def _target(
        self, params: Mapping[str, Any], key: TargetKey, account_id: str, old: Target | None
    ) -> Target:
        minimum = params.get("MinCapacity", old.minimum if old else None)
        maximum = params.get("MaxCapacity", old.maximum if old else None)
        checks.check_capacity(minimum, maximum)
        identity = old.identity if old else uuid.uuid4().hex[:32]
        arn = regional_arn(
            "application-autoscaling", key.region, account_id, f"scalable-target/{identity}"
        )
        suspended = {
            **(old.suspended if old else _NOT_SUSPENDED),
            **params.get("SuspendedState", {}),
        }
        role = params.get("RoleARN") or (old.role if old else _service_role(key, account_id))
        return Target(
            key, arn, identity, int(minimum), int(maximum), role, suspended,
            old.created if old else self.cloud.clock.now(),
        )  # fmt: skip


def _service_role(key: TargetKey, account_id: str) -> str:
    return (
        f"arn:{partition_of(key.region)}:iam::{account_id}:role/aws-service-role/"
        f"{key.namespace}.application-autoscaling.amazonaws.com/"
        "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    )
