"""Background work of the endpoint operations, one task at a time for each endpoint."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.hosting.builder import FleetBuilder
from sageloop.local_cloud.sagemaker.hosting.event_publisher import EndpointEventPublisher
from sageloop.local_cloud.sagemaker.hosting.instances.fleet import Fleet, StartFailure
from sageloop.local_cloud.sagemaker.hosting.instances.instance import instance_folder
from sageloop.local_cloud.sagemaker.hosting.live import LiveEndpoint, Step
from sageloop.local_cloud.sagemaker.hosting.rollout.bake import (
    AlarmTripped,
    RollbackAlarms,
    Stopped,
)
from sageloop.local_cloud.sagemaker.hosting.rollout.deployment import Deployment, begin_progress

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.hosting.rollout.policy import Plan

log = logging.getLogger(__name__)
FAMILY = "endpoint"


@dataclass(frozen=True, kw_only=True)
class Target:
    """The desired state of an update."""

    config: Mapping[str, Any]
    counts: Mapping[str, int]
    shadow_counts: Mapping[str, int]
    weights: Mapping[str, float]
    plan: Plan


class Lifecycle:
    """Creates, updates, scales and deletes the fleets of endpoints."""

    def __init__(self, account: Account, builder: FleetBuilder) -> None:
        self.builder = builder
        self._account = account
        self._cloud = account.cloud
        self._events = EndpointEventPublisher(account)
        self._alarms = RollbackAlarms(account.cloud)
        self._lock = threading.Lock()
        self._live: dict[str, LiveEndpoint] = {}

    def live(self, name: str) -> LiveEndpoint | None:
        """The running endpoint, or ``None``."""
        return self._live.get(name)

    def all(self) -> list[LiveEndpoint]:
        """All running endpoints."""
        with self._lock:
            return list(self._live.values())

    def publish_config(self, document: Mapping[str, Any]) -> None:
        """Publish the event of a new endpoint configuration."""
        self._events.endpoint_config(document)

    def create(self, name: str, config: Mapping[str, Any]) -> None:
        """Start the first fleet of an endpoint whose status is Creating."""
        live = LiveEndpoint(name)
        with self._lock:
            self._live[name] = live
        self._publish_status(live)
        self._spawn("create", name, lambda: self._create(live, config))

    def update(self, name: str, target: Target) -> None:
        """Deploy another configuration to an endpoint whose status is Updating."""
        live = self._live[name]
        live.rolled_back_by = None
        self._publish_status(live)
        self._spawn("update", name, lambda: self._update(live, target))

    def resize(
        self, name: str, counts: Mapping[str, int], weights: Mapping[str, float]
    ) -> None:  # fmt: skip
        """Set instance counts and weights of an endpoint whose status is Updating."""
        live = self._live[name]
        self._publish_status(live)
        self._spawn("resize", name, lambda: self._resize(live, counts, weights))

    def delete(self, name: str) -> None:
        """Stop the fleets of an endpoint whose status is Deleting, then delete its document."""
        self._publish_status(self._live.get(name))
        self._spawn("delete", name, lambda: self._delete(name))

    def stop(self) -> None:
        """Release all fleets: the cloud ends their processes."""
        self._alarms.stop()
        for live in self.all():
            live.close()
            for fleet in live.fleets():
                fleet.abandon()

    def _create(self, live: LiveEndpoint, config: Mapping[str, Any]) -> None:
        try:
            fleet = self.builder.build(live.name, config)
            counts = self.builder.initial_counts(config)
            begin_progress(live, fleet, self._cloud.clock)
            self._report_step(
                live, fleet, "Creating", f"Launching {sum(counts.values())} instance(s)."
            )
            fleet.scale({**counts, **self.builder.shadow_counts(config)})
        except (StartFailure, AwsError) as failure:
            self._abandon_failed(live)
            self._finish(live, "Failed", reason=str(failure))
            return
        except BaseException:
            self._abandon_failed(live)
            raise
        live.fleet = fleet
        live.route_to((fleet, 1.0))
        self._finish(live, "InService")

    def _abandon_failed(self, live: LiveEndpoint) -> None:
        for fleet in live.fleets():
            fleet.stop()

    def _update(self, live: LiveEndpoint, target: Target) -> None:
        watch = self._alarms.watch(target.plan.alarms)
        deployment = Deployment(
            self._cloud.clock, live, target.plan, watch, lambda: self._publish_deployment(live)
        )
        green: Fleet | None = None
        try:
            green = self.builder.build(live.name, target.config, target.weights)
            begin_progress(live, green, self._cloud.clock)
            deployment.run(green, target.counts, target.shadow_counts)
        except Stopped:
            return
        except AlarmTripped as alarm:
            log.warning("endpoint %s rolls back: alarm %s is in ALARM", live.name, alarm)
            # AWS sets no FailureReason; only EndpointConfigName shows the rollback.
            live.rolled_back_by = str(alarm)
            self._roll_back(live, deployment, green, None)
            return
        except (StartFailure, AwsError) as failure:
            log.warning("endpoint %s rolls back: %s", live.name, failure)
            self._roll_back(live, deployment, green, str(failure))
            return
        except Exception as error:
            log.exception("update of endpoint %s failed unexpectedly", live.name)
            self._roll_back(live, deployment, green, f"InternalServerError: {error}")
            return
        finally:
            watch.close()
        self._clear(live)
        self._finish(live, "InService", config=green.config_name)

    def _roll_back(
        self, live: LiveEndpoint, deployment: Deployment, green: Fleet | None, reason: str | None
    ) -> None:
        self._set(live, EndpointStatus="RollingBack")
        try:
            deployment.roll_back(green)
        except Exception as failure:
            log.exception("endpoint %s cannot be rolled back", live.name)
            if green is not None:
                live.stranded_fleets = [*live.stranded_fleets, green]
            self._finish(live, "UpdateRollbackFailed", reason=str(failure))
            return
        self._clear(live)
        self._finish(live, "InService", reason=reason)

    def _clear(self, live: LiveEndpoint) -> None:
        stranded_fleets, live.stranded_fleets = live.stranded_fleets, []
        for fleet in stranded_fleets:
            fleet.stop()

    def _resize(
        self, live: LiveEndpoint, counts: Mapping[str, int], weights: Mapping[str, float]
    ) -> None:  # fmt: skip
        fleet = live.fleet
        if fleet is None:
            return
        for name, weight in weights.items():
            fleet.all_variants[name].weight = weight
        live.route_to((fleet, 1.0))
        try:
            fleet.scale(counts)
        except StartFailure as failure:
            self._finish(live, "InService", reason=str(failure))
            return
        except Exception as error:
            # The instances that served before continue to serve.
            log.exception("resize of endpoint %s failed unexpectedly", live.name)
            self._finish(live, "InService", reason=f"InternalServerError: {error}")
            return
        self._finish(live, "InService")

    def _delete(self, name: str) -> None:
        live = self._live.get(name)
        if live is not None:
            live.close()
            for fleet in live.fleets():
                fleet.stop()
            with self._lock:
                self._live.pop(name, None)
        # The instances have stopped and have removed their directories in it.
        with suppress(OSError):
            instance_folder(self._cloud, name).rmdir()
        self._account.store.delete(FAMILY, name)

    def _finish(
        self, live: LiveEndpoint, status: str, *, config: str | None = None,
        reason: str | None = None,
    ) -> None:  # fmt: skip
        live.progress = None
        changes: dict[str, Any] = {"EndpointStatus": status, "FailureReason": reason}
        if config is not None:
            changes["EndpointConfigName"] = config
        self._set(live, **changes)

    def _set(self, live: LiveEndpoint, **changes: Any) -> None:
        changes["LastModifiedTime"] = self._cloud.clock.now()
        document = self._account.store.update(FAMILY, live.name, changes)
        self._events.endpoint(document, live)

    def _report_step(self, live: LiveEndpoint, fleet: Fleet, status: str, message: str) -> None:
        if live.progress is not None:
            step = Step(status, message, self._cloud.clock.now())
            live.progress.steps = dict.fromkeys(fleet.variants, step)
            self._publish_deployment(live)

    def _publish_status(self, live: LiveEndpoint | None) -> None:
        if live is not None:
            self._events.endpoint(self._account.store.get(FAMILY, live.name), live)

    def _publish_deployment(self, live: LiveEndpoint) -> None:
        self._events.deployment(self._account.store.get(FAMILY, live.name), live)
        changed = self._account.store.changed
        with changed:
            changed.notify_all()

    def _spawn(self, verb: str, name: str, work: Callable[[], None]) -> None:
        def run_work() -> None:
            try:
                work()
            except Exception as error:
                log.exception("%s of endpoint %s failed unexpectedly", verb, name)
                live = self._live.get(name)
                if live is not None and not self._cloud.stopped.is_set():
                    self._finish(live, "Failed", reason=f"InternalServerError: {error}")

        self._cloud.activity.spawn(f"{verb} endpoint {name}", run_work)
