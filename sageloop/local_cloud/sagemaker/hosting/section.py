"""Operations on endpoints."""

from __future__ import annotations

import time as wall
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.sagemaker.hosting.asynchronous.endpoints import AsyncEndpoints
from sageloop.local_cloud.sagemaker.hosting.builder import FleetBuilder
from sageloop.local_cloud.sagemaker.hosting.components.desired_components import DesiredComponents
from sageloop.local_cloud.sagemaker.hosting.components.section import Components
from sageloop.local_cloud.sagemaker.hosting.describe import describe
from sageloop.local_cloud.sagemaker.hosting.endpoint_configs import CONFIG_FAMILY, EndpointConfigs
from sageloop.local_cloud.sagemaker.hosting.health import HealthChecks
from sageloop.local_cloud.sagemaker.hosting.instances.instance_types import InstanceTypes
from sageloop.local_cloud.sagemaker.hosting.instances.model_containers import ModelContainers
from sageloop.local_cloud.sagemaker.hosting.invocation.capture import DataCapture
from sageloop.local_cloud.sagemaker.hosting.kinds import variant_kinds
from sageloop.local_cloud.sagemaker.hosting.lifecycle import FAMILY, Lifecycle, Target
from sageloop.local_cloud.sagemaker.hosting.live import LiveEndpoint
from sageloop.local_cloud.sagemaker.hosting.requests import (
    check_counts,
    check_weights,
    every_variant,
    invalid,
    weight_of,
)
from sageloop.local_cloud.sagemaker.hosting.rollout import policy
from sageloop.local_cloud.sagemaker.hosting.routing.metrics import EndpointMetrics
from sageloop.local_cloud.sagemaker.hosting.routing.router import Router
from sageloop.local_cloud.sagemaker.hosting.serverless.settings import check_update
from sageloop.local_cloud.sagemaker.hosting.serverless.updates import apply, settings_changes_of
from sageloop.local_cloud.sagemaker.hosting.timing import Timing
from sageloop.local_cloud.sagemaker.listing import list_response

if TYPE_CHECKING:
    from sageloop.local_cloud.core.contracts import AutoScaling
    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.hosting.instances.fleet import VariantFleet
    from sageloop.local_cloud.sagemaker.models import Models

AT_REST = frozenset(("InService", "Failed", "UpdateRollbackFailed", "OutOfService"))
_SUMMARY = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
_UPDATABLE = ("InService", "UpdateRollbackFailed")


class Hosting(EndpointConfigs):
    """Endpoint operations, and the interface of endpoints for other services.

    ``timing`` may be replaced; it applies to instances that start afterwards.
    """

    def __init__(self, account: Account, models: Models) -> None:
        super().__init__(account)
        self.timing = Timing()
        self._store = account.store
        self._cloud = account.cloud
        self.containers = ModelContainers(account, models, lambda: self.timing)
        self.instance_types, desired_components = InstanceTypes(), DesiredComponents()
        kinds = variant_kinds(
            account, self.containers, types=self.instance_types,
            desired_components=desired_components, dispatch=self._dispatch,
        )  # fmt: skip
        builder = FleetBuilder(kinds, self.containers.role_of)
        self._lifecycle = Lifecycle(account, builder)
        metrics = EndpointMetrics(account.cloud)
        self._health = HealthChecks(account.cloud, self._lifecycle, metrics, lambda: self.timing)
        capture = DataCapture(account.cloud, delay=self.timing.flush)
        self.router = Router(account.cloud, self._lifecycle, metrics, capture, lambda: self.timing)
        self.asynchronous = AsyncEndpoints(account.cloud, self._lifecycle, capture)
        self.components = Components(account, self._lifecycle, self.containers, desired_components)

    def start(self) -> None:
        """Start health checks, measurements and the dispatch of asynchronous requests."""
        self._health.start()
        self.asynchronous.start()
        if self._cloud.services.has("cloudwatch"):
            self._cloud.services.cloudwatch.before_evaluation(self._measure)

    def stop(self) -> None:
        """Release all endpoints."""
        self._health.stop()
        self.router.stop()
        self.components.stop()
        self._lifecycle.stop()
        with self._store.changed:
            self._store.changed.notify_all()

    def _dispatch(self, endpoint: str) -> None:
        self.asynchronous.dispatch(endpoint)

    def _measure(self) -> None:
        for live in self._lifecycle.all():
            for variant in live.variants:
                variant.measure()

    @operation("CreateEndpoint")
    def create_endpoint(self, call: Call) -> dict[str, Any]:
        """Create an endpoint; its instances start in the background."""
        params = call.params
        name = params["EndpointName"]
        config = self._store.get(CONFIG_FAMILY, params["EndpointConfigName"])
        self._lifecycle.builder.check(config)
        policy.check(params.get("DeploymentConfig"))
        now = self._cloud.clock.now()
        document = {
            "EndpointName": name,
            "EndpointArn": self._store.arn(FAMILY, name),
            "EndpointConfigName": params["EndpointConfigName"],
            "EndpointStatus": "Creating",
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        if "DeploymentConfig" in params:
            document["LastDeploymentConfig"] = params["DeploymentConfig"]
        arn = self._store.create(FAMILY, name, document, tags=params.get("Tags"))
        self._lifecycle.create(name, config)
        return {"EndpointArn": arn}

    @operation("DescribeEndpoint")
    def describe_endpoint(self, call: Call) -> dict[str, Any]:
        """Return the endpoint with its variants and the deployment in progress."""
        return self._describe(call.params["EndpointName"])

    @operation("ListEndpoints")
    def list_endpoints(self, call: Call) -> dict[str, Any]:
        """List endpoints by name, status and times."""
        return list_response(
            self._store.list(FAMILY), call.params, result="Endpoints", name="EndpointName",
            status="EndpointStatus", members=_SUMMARY,
        )  # fmt: skip

    @operation("UpdateEndpoint")
    def update_endpoint(self, call: Call) -> dict[str, Any]:
        """Deploy another configuration with the requested deployment guardrails."""
        params = call.params
        name = params["EndpointName"]
        known = self._updatable(name)
        # The present configuration must still exist: terraform-provider-aws #40048.
        self._store.get(CONFIG_FAMILY, known["EndpointConfigName"])
        config = self._store.get(CONFIG_FAMILY, params["EndpointConfigName"])
        self.asynchronous.check_update(name, config)
        self._lifecycle.builder.check(config)
        live, scaling = self._lifecycle.live(name), self._scaling()
        if live is not None and live.fleet is not None:
            check_update(live.fleet.config, config)
            self.components.check_update(name, config)
            if scaling is not None:
                scaling.refuse_update(name, live.fleet.config, config)
        deployment = params.get("DeploymentConfig")
        if deployment is None and params.get("RetainDeploymentConfig", False):
            deployment = known.get("LastDeploymentConfig")
        policy.check(deployment)
        guardrails = deployment if policy.is_guarded(config) else None
        if live is not None and live.fleet is not None:
            desired = [variant["VariantName"] for variant in config["ProductionVariants"]]
            policy.check_names(guardrails, live.fleet.variants, desired)
        target = self._target(name, config, params, guardrails)
        self._check_alarms(target, config)
        self._begin(name, "Updating", {"LastDeploymentConfig": deployment})
        self._lifecycle.update(name, target)
        return {"EndpointArn": known["EndpointArn"]}

    @operation("UpdateEndpointWeightsAndCapacities")
    def update_weights_and_capacities(self, call: Call) -> dict[str, Any]:
        """Set weights and instance counts of variants under the same configuration."""
        name = call.params["EndpointName"]
        known = self._updatable(name)
        desired = call.params["DesiredWeightsAndCapacities"]
        check_counts(
            desired, self._variants(name), minimum=self.asynchronous.minimum_instances(name)
        )
        self._check_weights(name, desired)
        setting_changes = settings_changes_of(self._fleet_of(name), desired)
        counts = {d["VariantName"]: int(d["DesiredInstanceCount"])
                  for d in desired if "DesiredInstanceCount" in d}  # fmt: skip
        weights = {d["VariantName"]: float(d["DesiredWeight"])
                   for d in desired if "DesiredWeight" in d}  # fmt: skip
        self._begin(name, "Updating", {})
        self._lifecycle.resize(name, counts | apply(setting_changes), weights)
        return {"EndpointArn": known["EndpointArn"]}

    @operation("DeleteEndpoint")
    def delete_endpoint(self, call: Call) -> None:
        """Drain and delete an endpoint in the background; refused during an update."""
        name = call.params["EndpointName"]
        self.components.check_delete(name)
        self._begin(name, "Deleting", {})
        scaling = self._scaling()
        if scaling is not None:
            scaling.resource_deleted(f"endpoint/{name}")
        self._lifecycle.delete(name)

    def set_instance_count(self, endpoint: str, variant: str, count: int) -> None:
        """Set the instance count of a variant; return before its instances have started.

        Raises ``AwsError`` as UpdateEndpointWeightsAndCapacities does.
        """
        self._updatable(endpoint)
        change = {"VariantName": variant, "DesiredInstanceCount": count}
        check_counts(
            [change],
            self._variants(endpoint),
            minimum=self.asynchronous.minimum_instances(endpoint),
        )
        self._begin(endpoint, "Updating", {})
        self._lifecycle.resize(endpoint, {variant: count}, {})

    def set_copy_count(self, component: str, count: int) -> None:
        """Set the number of copies of an inference component, which may be 0.

        Returns before the copies have started; raises ``AwsError`` as UpdateInferenceComponent
        does.
        """
        self.components.set_copies(component, count)

    def set_provisioned_concurrency(self, endpoint: str, variant: str, count: int) -> None:
        """Set the provisioned concurrency of a serverless variant.

        Returns before the environments have started; raises ``AwsError`` as
        UpdateEndpointWeightsAndCapacities does.
        """
        self._updatable(endpoint)
        update = {"ProvisionedConcurrency": count}
        change = {"VariantName": variant, "ServerlessUpdateConfig": update}
        check_counts([change], self._variants(endpoint))
        setting_changes = settings_changes_of(self._fleet_of(endpoint), [change])
        self._begin(endpoint, "Updating", {})
        self._lifecycle.resize(endpoint, apply(setting_changes), {})

    def wait_endpoint(self, name: str) -> dict[str, Any]:
        """Block until an endpoint has a stable status; return its description.

        A deleted endpoint is described with status ``Deleted``. If the cloud stops, returns the
        current description.
        """
        document = self.wait_for(name, lambda d: d["EndpointStatus"] in AT_REST, None)
        return document if document else {"EndpointName": name, "EndpointStatus": "Deleted"}

    def rolled_back_by(self, name: str) -> str | None:
        """The alarm that rolled back the last update of an endpoint, if one did."""
        live = self._lifecycle.live(name)
        return None if live is None else live.rolled_back_by

    def wait_for(
        self, name: str, holds: Callable[[dict[str, Any]], bool], timeout: float | None
    ) -> dict[str, Any]:
        """Block until an endpoint's description satisfies ``holds`` or the endpoint is deleted.

        Raises ``TimeoutError`` after ``timeout`` wall seconds (``None``: no limit). Returns an
        empty description for a deleted endpoint.
        """
        deadline = None if timeout is None else wall.monotonic() + timeout
        with self._store.changed:
            while True:
                if self._store.find(FAMILY, name) is None:
                    return {}
                described = self._describe(name)
                if holds(described) or self._cloud.stopped.is_set():
                    return described
                left = None if deadline is None else deadline - wall.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError(f"endpoint {name} is {described['EndpointStatus']}")
                self._store.changed.wait(left)

    def outstanding(self, endpoint: str, variant: str) -> list[int]:
        """Requests in progress in each instance of a variant; empty if it does not run."""
        live = self._lifecycle.live(endpoint)
        fleet = None if live is None else live.fleet
        if fleet is None or variant not in fleet.variants:
            return []
        return [instance.outstanding for instance in fleet.variants[variant].instances]

    def outstanding_copies(self, component: str) -> list[int]:
        """Requests in progress in each copy of a component; empty if it does not exist."""
        return [copy.outstanding for copy in self.components.copies(component)]

    def _scaling(self) -> AutoScaling | None:
        services = self._cloud.services
        return services.scaling if services.has("application-autoscaling") else None

    def _describe(self, name: str) -> dict[str, Any]:
        return describe(self._store.get(FAMILY, name), self._lifecycle.live(name))

    def _fleet_of(self, name: str) -> Mapping[str, VariantFleet]:
        live = self._lifecycle.live(name)
        return {} if live is None or live.fleet is None else live.fleet.all_variants

    def _variants(self, name: str) -> list[str]:
        live = self._lifecycle.live(name)
        return [] if live is None or live.fleet is None else list(live.fleet.all_variants)

    def _updatable(self, name: str) -> dict[str, Any]:
        known = self._store.get(FAMILY, name)
        _refuse_in_progress(known)
        if known["EndpointStatus"] not in _UPDATABLE:
            raise invalid(
                f'Cannot update endpoint "{known["EndpointArn"]}" in status '
                f"{known['EndpointStatus']}; it can only be deleted."
            )
        return known

    def _begin(self, name: str, status: str, changes: Mapping[str, Any]) -> None:
        def change(document: dict[str, Any]) -> None:
            _refuse_in_progress(document)
            document.update({k: v for k, v in changes.items() if v is not None})
            document["EndpointStatus"] = status
            document["LastModifiedTime"] = self._cloud.clock.now()
            document.pop("FailureReason", None)

        self._store.modify(FAMILY, name, change)

    def _target(
        self, name: str, config: Mapping[str, Any], params: Mapping[str, Any],
        deployment: Mapping[str, Any] | None,
    ) -> Target:  # fmt: skip
        live = self._lifecycle.live(name)
        excluded = {p["VariantPropertyType"]
                    for p in params.get("ExcludeRetainedVariantProperties", [])}  # fmt: skip
        retained = live if params.get("RetainAllVariantProperties", False) else None
        counts = self._lifecycle.builder.initial_counts(config)
        shadow_counts = self._lifecycle.builder.shadow_counts(config)
        weights = {v["VariantName"]: weight_of(v) for v in every_variant(config)}
        for variant in _served_by(retained):
            variant_name = variant.spec.name
            for known in (counts, shadow_counts):
                if variant_name in known and "DesiredInstanceCount" not in excluded:
                    known[variant_name] = variant.desired
            if variant_name in weights and "DesiredWeight" not in excluded:
                weights[variant_name] = variant.weight
        plan = policy.plan(deployment, counts)
        return Target(
            config=config, counts=counts, shadow_counts=shadow_counts, weights=weights, plan=plan
        )

    def _check_weights(self, name: str, desired: list[dict[str, Any]]) -> None:
        live = self._lifecycle.live(name)
        if live is None or live.fleet is None:
            return
        after = {variant: fleet.weight for variant, fleet in live.fleet.variants.items()}
        changed = {d["VariantName"]: float(d["DesiredWeight"])
                 for d in desired if "DesiredWeight" in d}  # fmt: skip
        check_weights({variant: changed.get(variant, weight) for variant, weight in after.items()})

    def _check_alarms(self, target: Target, config: Mapping[str, Any]) -> None:
        if not target.plan.alarms:
            return
        role = self._lifecycle.builder.role_of(config)
        cloudwatch = self._cloud.client("cloudwatch", principal=role)
        try:
            response = cloudwatch.describe_alarms(
                AlarmNames=list(target.plan.alarms), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
            )
        except ClientError as error:
            raise invalid(f"The rollback alarms cannot be read as {role}: {error}") from error
        known = {
            alarm["AlarmName"]
            for alarm in (*response["MetricAlarms"], *response["CompositeAlarms"])
        }
        missing = sorted(set(target.plan.alarms) - known)
        if missing:
            raise invalid(f"The rollback alarms do not exist: {', '.join(missing)}")


def _served_by(live: LiveEndpoint | None) -> list[Any]:
    return [] if live is None or live.fleet is None else list(live.fleet.all_variants.values())


def _refuse_in_progress(document: Mapping[str, Any]) -> None:
    if document["EndpointStatus"] in AT_REST:
        return
    raise invalid(f'Cannot update in-progress endpoint "{document["EndpointArn"]}".')
