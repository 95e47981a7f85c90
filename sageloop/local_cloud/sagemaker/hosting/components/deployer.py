"""Deployment of inference components in the background."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.hosting.components import rollout
from sageloop.local_cloud.sagemaker.hosting.components.desired_components import (
    DesiredComponents,
    Plan,
)
from sageloop.local_cloud.sagemaker.hosting.components.fleet import ComponentFleet
from sageloop.local_cloud.sagemaker.hosting.components.requests import required_resources
from sageloop.local_cloud.sagemaker.hosting.instances.artifacts import ArtifactError
from sageloop.local_cloud.sagemaker.hosting.instances.fleet import StartFailure
from sageloop.local_cloud.sagemaker.hosting.instances.instance import Blueprint
from sageloop.local_cloud.sagemaker.hosting.rollout.bake import (
    AlarmTripped,
    RollbackAlarms,
    Stopped,
)

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.hosting.instances.model_containers import ModelContainers
    from sageloop.local_cloud.sagemaker.hosting.lifecycle import Lifecycle

    Document = Mapping[str, Any]

log = logging.getLogger(__name__)
FAMILY = "inference-component"
_STARTUP = "ContainerStartupHealthCheckTimeoutInSeconds"
_DOWNLOAD = "ModelDataDownloadTimeoutInSeconds"


class ComponentDeployer:
    """Starts and stops the copies of components and updates their documents."""

    def __init__(
        self,
        account: Account,
        lifecycle: Lifecycle,
        containers: ModelContainers,
        desired_components: DesiredComponents,
    ) -> None:
        self._account = account
        self._cloud = account.cloud
        self._lifecycle = lifecycle
        self._containers = containers
        self._desired_components = desired_components
        self._alarms = RollbackAlarms(account.cloud)

    def stop(self) -> None:
        """Release the threads that wait in rolling updates."""
        self._alarms.stop()

    def fleet(self, document: Document) -> ComponentFleet | None:
        """The fleet that serves the variant of a component."""
        live = self._lifecycle.live(document["EndpointName"])
        fleet = None if live is None else live.fleet
        fleet_of_variant = None if fleet is None else fleet.variants.get(document["VariantName"])
        return fleet_of_variant if isinstance(fleet_of_variant, ComponentFleet) else None

    def create(self, document: Document, copies: int) -> None:
        """Start the copies of a component whose status is Creating."""

        def work() -> None:
            plan = self._plan(document, document["Specification"])
            self._put(document, plan, copies)
            self._fleet(document).ensure_copies(plan, copies)

        self._spawn("create", document, work, failed="Failed")

    def resize(self, document: Document, copies: int) -> None:
        """Change the number of copies of a component whose status is Updating."""
        name = document["InferenceComponentName"]

        def work() -> None:
            where = (document["EndpointName"], document["VariantName"])
            self._desired_components.resize(*where, name, copies)
            desired = self._desired_components.find(*where, name)
            if desired is not None:
                self._fleet(document).ensure_copies(desired.plan, copies)

        self._spawn("resize", document, work, failed="InService")

    def update(self, document: Document, changes: Document, policy: rollout.Rollout) -> None:
        """Replace the copies of a component whose status is Updating by a rolling update."""
        name = document["InferenceComponentName"]
        copies = int(changes["RuntimeConfig"]["DesiredCopyCount"])

        def work() -> None:
            fleet = self._fleet(document)
            desired = self._desired_components.find(fleet.endpoint, document["VariantName"], name)
            new = self._plan(document, changes["Specification"])
            if desired is None:
                self._put(document, new, copies)
                fleet.ensure_copies(new, copies)
            else:
                self._replace(fleet, rollout.Change(desired.plan, new, copies), policy)
                self._put(document, new, copies)
            self._account.store.update(FAMILY, name, changes)

        self._spawn("update", document, work, failed="InService")

    def delete(self, document: Document) -> None:
        """Stop the copies of a component whose status is Deleting and delete its document."""
        name = document["InferenceComponentName"]

        def work() -> None:
            self._desired_components.drop(document["EndpointName"], document["VariantName"], name)
            fleet = self.fleet(document)
            if fleet is not None:
                fleet.stop_copies(fleet.copies(name))
            self._account.store.delete(FAMILY, name)

        self._cloud.activity.spawn(f"delete inference component {name}", work)

    def _replace(
        self, fleet: ComponentFleet, change: rollout.Change, policy: rollout.Rollout
    ) -> None:
        component = change.old.component
        before = len(fleet.copies(component))
        watch = self._alarms.watch(policy.alarms)
        try:
            rollout.run(fleet, change, policy, watch)
        except (StartFailure, AlarmTripped) as failure:
            log.warning("inference component %s rolls back: %s", component, failure)
            rollout.roll_back(fleet, change, before)
            if isinstance(failure, AlarmTripped):
                raise StartFailure(f"Rolled back: the alarm {failure} is in ALARM.") from failure
            raise
        finally:
            watch.close()

    def _put(self, document: Document, plan: Plan, copies: int) -> None:
        self._desired_components.put(
            document["EndpointName"], document["VariantName"], plan, copies
        )

    def _fleet(self, document: Document) -> ComponentFleet:
        fleet = self.fleet(document)
        if fleet is None:
            raise StartFailure(f"Endpoint {document['EndpointName']} does not serve the variant.")
        return fleet

    def _plan(self, document: Document, specification: Document) -> Plan:
        role = self._fleet(document).spec.blueprint.role
        starting = specification.get("StartupParameters", {})
        container, isolated = _container_definition(specification.get("Container", {})), False
        model = specification.get("ModelName")
        if model is not None:
            known = self._account.store.get("model", model)
            container = self._containers.single_container(model)
            role = str(known.get("ExecutionRoleArn", role))
            isolated = bool(known.get("EnableNetworkIsolation", False))
        serving = self._containers.serving_of(
            container, role, isolated=isolated, download=starting.get(_DOWNLOAD)
        )
        placement = specification.get("SchedulingConfig", {}).get("PlacementStrategy", "SPREAD")
        return Plan(
            component=document["InferenceComponentName"],
            blueprint=Blueprint(
                endpoint=document["EndpointName"], variant=document["VariantName"], role=role,
                command=serving.command, environment=serving.environment,
                model_dir=serving.model_dir,
                startup_seconds=self._containers.timing().startup(starting.get(_STARTUP)),
            ),
            image=str(container["Image"]),
            needs=required_resources(specification),
            packed=placement == "BINPACK",
        )  # fmt: skip

    def _spawn(
        self, verb: str, document: Document, work: Callable[[], None], *, failed: str
    ) -> None:
        name = document["InferenceComponentName"]

        def run_work() -> None:
            status, reason = "InService", None
            try:
                work()
            except Stopped:
                return
            except (StartFailure, ArtifactError, AwsError) as failure:
                status, reason = failed, str(failure)
            except Exception as error:
                log.exception("%s of inference component %s failed unexpectedly", verb, name)
                status, reason = failed, f"InternalServerError: {error}"
            self._finish(name, status, reason)

        self._cloud.activity.spawn(f"{verb} inference component {name}", run_work)

    def _finish(self, name: str, status: str, reason: str | None) -> None:
        if self._account.store.find(FAMILY, name) is None:
            return
        self._account.store.update(
            FAMILY, name,
            {"InferenceComponentStatus": status, "FailureReason": reason,
             "LastModifiedTime": self._cloud.clock.now()},
        )  # fmt: skip


def _container_definition(container: Document) -> dict[str, Any]:
    """A component's container in the format of a model's container."""
    definition = {"Image": container.get("Image"), "Environment": container.get("Environment", {})}
    url = container.get("ArtifactUrl")
    return definition if url is None else definition | {"ModelDataUrl": url}
