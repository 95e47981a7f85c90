"""Promotion: rolls the champion out to its endpoint, one step per invocation, without waiting.

Every invocation reads the record and the endpoint and takes the next step. Events of model
packages and of the endpoint, the reconciler and the custom resource all call the same method, so
that neither their number nor their order matters.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.aws.alarms import described_alarms
from sageloop_runtime.aws.alerts import AlertPublisher, alert
from sageloop_runtime.aws.metrics import Metrics
from sageloop_runtime.aws.state_table import StateTable
from sageloop_runtime.champion.instance_type_change import InstanceTypeChange
from sageloop_runtime.champion.record import FAILED, LIVE, PROMOTING, Champion
from sageloop_runtime.champion.repository import ChampionRepository
from sageloop_runtime.champion.restoration import Restoration
from sageloop_runtime.errors import TryAgainError, is_missing
from sageloop_runtime.log import log
from sageloop_runtime.names import is_of_endpoint, package_version
from sageloop_runtime.scaling.variant_scaling import VariantScaling
from sageloop_runtime.serving.endpoint import BUSY, EndpointDescription, EndpointResources
from sageloop_runtime.serving.model_registry import ModelPackage, ModelRegistry
from sageloop_runtime.serving.serving_document import ServingDocument

_STEPS = 3


class Promoter:
    """Rolls champions out to one endpoint.

    Args:
        name: the endpoint's name.
        table: the state table.
        registry: the model registry.
        endpoint: the endpoint with its configurations and models.
        scaling: its scaling.
        cloudwatch: a CloudWatch client, for the state of rollback alarms.
        metrics: publishes Promotions and RollbacksDetected.
        alerts: publishes alerts.

    """

    def __init__(
        self,
        name: str,
        *,
        table: StateTable,
        registry: ModelRegistry,
        endpoint: EndpointResources,
        scaling: VariantScaling,
        cloudwatch: Any,
        metrics: Metrics,
        alerts: AlertPublisher,
    ) -> None:
        self._name = name
        self._table = table
        self._repository = ChampionRepository(table, name)
        self._registry = registry
        self._endpoint = endpoint
        self._scaling = scaling
        self._type_change = InstanceTypeChange(self._repository, endpoint, scaling)
        self._restoration = Restoration(self._repository, endpoint, registry)
        self._cloudwatch = cloudwatch
        self._metrics = metrics
        self._alerts = alerts
        self._dimensions = {"EndpointName": name}

    def converge(self, now: float | None, *, promote_new: bool = True) -> str:
        """Take the next steps; the name of the last one.

        Args:
            now: epoch seconds; None if the event has no time.
            promote_new: whether a newer approved package may become champion.

        """
        result = "nothing"
        for _ in range(_STEPS):
            serving = self._serving()
            if serving is None:
                return "no document"
            champion = self._repository.read()
            self._alerts.publish(self._repository.row_id, champion.row, self._dimensions, now)
            if champion.state == PROMOTING:
                step = self._advance(champion, serving, now)
            elif champion.row.get("frozen") or champion.state == "deleting":
                return "frozen"
            elif champion.row.get("stopped"):
                step = self._stop(serving)
            elif champion.row.get("stop_start_at") is not None:
                step = self._start(champion, serving, now)
            else:
                step = self._start_rollout(champion, serving, now, promote_new=promote_new)
                if step in {None, "blocked"}:
                    # What blocks a new package may be what the restoration replaces.
                    step = self._restoration.step(champion, serving, now) or step
            if step is None:
                break
            result = step
            config = champion.desired_config
            log("promotion step", endpoint=self._name, step=step, config=config)
            if step in {"waiting", "blocked", "stopped"}:
                break
        row = self._repository.read().row
        self._alerts.publish(self._repository.row_id, row, self._dimensions, now)
        return result

    # which package

    def _serving(self) -> ServingDocument | None:
        """The serving document; None while the endpoint is being deleted."""
        serving = ServingDocument.of_row(self._table.get(f"serving#{self._name}"), self._name)
        if serving is None:
            self._delete_leftover()
        return serving

    def _delete_leftover(self) -> None:
        """Delete an endpoint of ours that was created after the tombstone was written."""
        described = self._endpoint.describe()
        if described is None or described.status == "Deleting":
            return
        if not is_of_endpoint(self._name, described.config):
            return
        if described.status in BUSY:
            raise TryAgainError(f"the endpoint is {described.status} and cannot be deleted yet")
        self._endpoint.delete()

    def _start_rollout(
        self, champion: Champion, serving: ServingDocument, now: float | None, *, promote_new: bool
    ) -> str | None:
        if champion.manual_request is not None:
            return self._start_manual_rollout(champion, serving, champion.manual_request, now)
        package = self._new_package(champion) if promote_new else None
        if package is None:
            package = self._same_package(champion, serving)
        if package is None:
            return None
        if champion.live_config is not None and self._is_rollback_alarm_active(serving):
            return "blocked"
        change = champion.start_rollout(serving, package, now)
        return "rollout started" if self._repository.write(champion, change) else None

    def _start_manual_rollout(
        self,
        champion: Champion,
        serving: ServingDocument,
        request: dict[str, Any],
        now: float | None,
    ) -> str | None:
        """Start the requested rollout, whatever the alarms: they may be its reason."""
        arn = str(request["package"])
        if arn == champion.package_arn and champion.state != FAILED:
            closed = self._repository.write(champion, {"manual_request": None})
            return "champion already" if closed else None
        try:
            package = self._registry.read(arn)
        except ClientError as error:
            if not is_missing(error):
                raise
            text = f"Package {arn}, requested by {request['by']}, does not exist any more."
            change = {"manual_request": None, **alert(text)}
            return "package missing" if self._repository.write(champion, change) else None
        change = champion.start_manual_rollout(serving, package, now)
        return "rollout started" if self._repository.write(champion, change) else None

    def _stop(self, serving: ServingDocument) -> str:
        """Delete the endpoint; the record keeps what its creation requires."""
        described = self._endpoint.describe()
        if described is None:
            return "stopped"
        if described.status not in BUSY:
            self._scaling.deregister(serving)
            self._endpoint.delete()
        return "waiting"

    def _start(
        self, champion: Champion, serving: ServingDocument, now: float | None
    ) -> str | None:  # fmt: skip
        """Create the stopped endpoint again, once its deletion is complete."""
        described = self._endpoint.describe()
        if described is not None and described.status == "Deleting":
            return "waiting"
        if described is not None:
            written = self._repository.write(champion, {"stop_start_at": None})
            return "running" if written else None
        package = self._registry.read(str(champion.package_arn))
        change = champion.start_again(serving, package, now)
        return "rollout started" if self._repository.write(champion, change) else None

    def _new_package(self, champion: Champion) -> ModelPackage | None:
        """The newest approved package, if it is newer than the champion's."""
        quarantined = set(champion.quarantined)
        for arn in self._registry.approved():
            if arn in quarantined:
                continue
            package = self._registry.read(arn)
            current = champion.package_arn
            if current is None or champion.state == FAILED:
                return package
            newest = max(package_version(current), champion.superseded_version)
            return package if package.version > newest else None
        return None

    def _same_package(self, champion: Champion, serving: ServingDocument) -> ModelPackage | None:
        """The champion's package, if the serving document has changed."""
        arn, state = champion.package_arn, champion.state
        if arn is None or state in {None, FAILED} or arn in champion.quarantined:
            return None
        if serving.digest in {
            champion.row.get("serving_digest"),
            champion.row.get("refused_digest"),
        }:
            return None
        return self._registry.read(arn)

    def _is_rollback_alarm_active(self, serving: ServingDocument) -> bool:
        """Whether a rollback alarm is in ALARM, which would roll any update back."""
        alarms = described_alarms(self._cloudwatch, serving.rollback_alarms)
        return any(alarm["StateValue"] == "ALARM" for alarm in alarms.values())

    # rollout

    def _advance(
        self, champion: Champion, serving: ServingDocument, now: float | None
    ) -> str | None:
        described = self._endpoint.describe()
        if described is None:
            return self._request(champion, serving, None, now)
        if described.status in BUSY:
            return self._wait(champion, described, now)
        if described.status == "InService":
            return self._conclude(champion, serving, described, now)
        if described.status == "Failed":
            return self._delete_failed(champion, described)
        return self._freeze(champion, described)

    def _wait(self, champion: Champion, described: EndpointDescription, now: float | None) -> str:
        """Record that the update in progress is ours, if the response to it was lost."""
        desired = champion.desired_config
        creating = described.status == "Creating" and described.config == desired
        if not champion.is_requested and (creating or described.pending_config == desired):
            self._repository.write(champion, {"requested": desired})
            return "waiting"
        overdue = champion.mark_overdue(described, now)
        if overdue is not None:
            self._repository.write(champion, overdue)
        return "waiting"

    def _request(
        self,
        champion: Champion,
        serving: ServingDocument,
        described: EndpointDescription | None,
        now: float | None,
    ) -> str | None:
        """Create model and configuration, then request SageMaker to serve them."""
        package = self._registry.read(str(champion.package_arn))
        if serving.config_name(package) != champion.desired_config:
            # The document has changed since: start the rollout again with the present one.
            change = champion.start_rollout(serving, package, now) | {"by": champion.row.get("by")}
            return "rollout started" if self._repository.write(champion, change) else None
        self._endpoint.create_config(serving, package)
        if described is None:
            self._endpoint.create(serving, champion.desired_config)
        else:
            step = self._update(champion, serving, described)
            if step != "updating":
                return step
        self._repository.write(champion, {"requested": champion.desired_config})
        if self._serving() is None:
            return "deleted"
        return "waiting"

    def _update(
        self, champion: Champion, serving: ServingDocument, described: EndpointDescription
    ) -> str | None:
        if not self._type_change.deregister(champion, serving, described):
            return None
        started = self._endpoint.update(
            serving,
            champion.desired_config,
            current=described,
            auto_rollback=champion.row.get("by") is None,
        )
        return "updating" if started else "waiting"

    def _conclude(
        self,
        champion: Champion,
        serving: ServingDocument,
        described: EndpointDescription,
        now: float | None,
    ) -> str | None:
        """The endpoint is in service: with the desired configuration, or rolled back."""
        if described.config == champion.desired_config:
            return self._go_live(champion, serving, described, now)
        if not champion.is_requested:
            return self._request(champion, serving, described, now)
        self._type_change.restore(champion, described)
        if not self._repository.write(champion, champion.roll_back(described)):
            return None
        self._metrics.put("RollbacksDetected", 1.0, self._dimensions, at=now)
        return "rolled back"

    def _go_live(
        self,
        champion: Champion,
        serving: ServingDocument,
        described: EndpointDescription,
        now: float | None,
    ) -> str | None:
        """Apply scaling, prune, then write the record; a retry repeats all of it."""
        self._scaling.apply(serving)
        self._endpoint.prune(champion.kept_configs | {described.config}, serving.keep_configs)
        if not self._repository.write(champion, champion.go_live(now, described)):
            return None
        self._metrics.put("Promotions", 1.0, self._dimensions, at=now)
        return LIVE

    def _delete_failed(self, champion: Champion, described: EndpointDescription) -> str | None:
        """Delete a failed endpoint; the event of its deletion creates it again."""
        change = champion.fail_creation(described)
        if not self._repository.write(champion, change):
            return None
        if change.get("state") == FAILED:
            return "attempts exhausted"
        self._endpoint.delete()
        return "waiting"

    def _freeze(self, champion: Champion, described: EndpointDescription) -> str | None:
        if not self._repository.write(champion, champion.freeze(described)):
            return None
        return "frozen"
