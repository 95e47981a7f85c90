"""Execution of one training job."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.execution_role import network_refusal
from sageloop.local_cloud.sagemaker.failures import (
    CAPACITY_ERROR,
    INTERNAL_ERROR,
    Abandoned,
    CapacityAwaited,
    InternalError,
    JobFailed,
    JobStopped,
    SpotInterrupted,
)
from sageloop.local_cloud.sagemaker.store import Document
from sageloop.local_cloud.sagemaker.training.attempt import Attempt, EndReason
from sageloop.local_cloud.sagemaker.training.channels.file_systems import FileSystems
from sageloop.local_cloud.sagemaker.training.channels.files import SharedBodies
from sageloop.local_cloud.sagemaker.training.cluster import cluster_of
from sageloop.local_cloud.sagemaker.training.host import Host
from sageloop.local_cloud.sagemaker.training.listener import OutputListener
from sageloop.local_cloud.sagemaker.training.network import PrivateNetwork
from sageloop.local_cloud.sagemaker.training.repository import TrainingJobRepository
from sageloop.local_cloud.sagemaker.training.session import Session
from sageloop.local_cloud.sagemaker.training.stopping_condition import StoppingCondition
from sageloop.local_cloud.sagemaker.training.warm_pools import WarmPools

if TYPE_CHECKING:
    from sageloop.local_cloud.core.clock import Timer
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)

# Virtual seconds between two requests for spot instances.
_CAPACITY_RETRY_SECONDS = 60.0
_NO_CAPACITY = "Insufficient capacity error from EC2 while launching instances, retrying!"


@dataclass(frozen=True, slots=True)
class SharedResources:
    """Resources that all training jobs of a cloud share."""

    pools: WarmPools
    file_systems: FileSystems
    bodies: SharedBodies


class TrainingRun:
    """Executes a job. :meth:`run` blocks; the other methods are called from other threads."""

    def __init__(
        self, cloud: Cloud, repository: TrainingJobRepository, job: Document,
        shared: SharedResources, *,
        on_metric: Callable[[str, float], None] | None = None,
        on_end: Callable[[Document], None] | None = None,
    ) -> None:  # fmt: skip
        self._cloud = cloud
        self._repository = repository
        self._name: str = job["TrainingJobName"]
        self._shared = shared
        self._on_end = on_end
        self._pool = shared.pools.take(job)
        self._job = repository.describe(self._name)
        self._root = cloud.work_dir / "training" / self._name
        self._cluster = cluster_of(job["ResourceConfig"])
        self._listener = OutputListener(cloud, self._job, on_metric)
        self._stopping_condition = StoppingCondition(self._job)
        self._network = PrivateNetwork(cloud, self._name)
        self._retries = job.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
        self._hosts: list[Host] = []
        self._lock = threading.Lock()
        self._attempt: Attempt | None = None
        self._retry_timer: Timer | None = None
        self._stop_requested = False
        self._abandoned = False

    def run(self) -> None:
        """Execute the job until it ends or waits for capacity; failures become a status."""
        try:
            with suppress(Abandoned):
                self._run_to_a_status()
        finally:
            self._network.close()
            shutil.rmtree(self._root, ignore_errors=True)

    def request_stop(self) -> None:
        """Stop the containers; the status is Stopping already."""
        with self._lock:
            self._stop_requested = True
            attempt, retry_timer = self._attempt, self._retry_timer
            self._retry_timer = None
        if attempt is not None:
            attempt.end(EndReason.STOP)
        if retry_timer is not None:
            retry_timer.cancel()
            self._spawn()

    def abandon(self) -> None:
        """Kill the containers and change no status: the cloud is shutting down."""
        with self._lock:
            self._abandoned = True
            attempt = self._attempt
        if attempt is not None:
            attempt.kill()

    def start(self) -> None:
        """Execute the job in the background."""
        self._spawn()

    def _spawn(self) -> None:
        self._cloud.activity.spawn(f"training job {self._name}", self.run)

    def _run_to_a_status(self) -> None:
        try:
            end = self._attempts()
        except CapacityAwaited:
            self._await_capacity()
        except JobStopped:
            self._end("Stopped")
        except JobFailed as failure:
            keep_instances = not isinstance(failure, InternalError)
            self._end("Failed", keep_instances=keep_instances, FailureReason=failure.reason)
        except Abandoned:
            raise
        except Exception:
            self._check_abandoned()
            log.exception("training job %s failed unexpectedly", self._name)
            self._end("Failed", keep_instances=False, FailureReason=INTERNAL_ERROR)
        else:
            uri = self._session().artifacts.model_uri
            self._end(end, ModelArtifacts={"S3ModelArtifacts": uri})

    def _attempts(self) -> str:
        while True:
            self._check_stop()
            self._provision()
            try:
                return self._execute()
            except SpotInterrupted:
                self._repository.move(self._name, "Interrupted")
                self._remove_hosts()
                self._repository.move(self._name, "Starting")
            except InternalError:
                if self._retries == 0:
                    raise
                self._retries -= 1
                self._remove_hosts()
                self._repository.move(self._name, "Restarting")

    def _provision(self) -> None:
        if self._pool is not None:
            return
        refused = self._cloud.faults.capacity_refused
        if any(refused(kind) for kind in self._cluster.instance_types):
            if self._job["EnableManagedSpotTraining"]:
                raise CapacityAwaited
            raise JobFailed(CAPACITY_ERROR)

    def _await_capacity(self) -> None:
        seconds = self._stopping_condition.may_wait(_CAPACITY_RETRY_SECONDS)
        if seconds <= 0:
            self._mark_stopping()
            self._end("MaxWaitTimeExceeded")
            return
        with suppress(JobStopped):
            self._repository.move(self._name, "Starting", message=_NO_CAPACITY)

        def retry() -> None:
            self._stopping_condition.wait(seconds)
            with self._lock:
                if self._retry_timer is None:
                    return
                self._retry_timer = None
            self._spawn()

        with self._lock:
            stopped = self._stop_requested
            if not stopped:
                label = f"capacity for {self._name}"
                self._retry_timer = self._cloud.clock.call_later(seconds, retry, label=label)
        if stopped:
            self._end("Stopped")

    def _execute(self) -> str:
        if self._job["EnableNetworkIsolation"] and self._network.pid is None:
            self._network.open()
        refusal = network_refusal(self._cloud, self._job["RoleArn"], self._job.get("VpcConfig"))
        if refusal is not None:
            raise JobFailed(refusal)
        session = self._session()
        self._hosts = session.make_hosts(self._root, self._pool)
        self._repository.move(self._name, "Downloading", **self._start_time())
        with self._stopping_condition.running(), session.checkpoints(self._hosts) as checkpoints:
            session.deliver_channels(self._hosts)
            self._check_abandoned()
            self._repository.move(self._name, "Training")
            checkpoints.start()
            seconds, limit_status = self._stopping_condition.may_run()
            attempt = self._run_containers(session, seconds)
            if attempt.reason is EndReason.MACHINE:
                raise InternalError
            checkpoints.finish()
            if attempt.reason is EndReason.INTERRUPTION:
                raise SpotInterrupted
            self._repository.move(self._name, "Uploading")
            session.upload_outputs(self._hosts, attempt.failure)
        return {None: "Completed", EndReason.STOP: "Stopped"}.get(attempt.reason, limit_status)

    def _run_containers(self, session: Session, seconds: float) -> Attempt:
        runs = session.runs(self._hosts, self._listener.receive)
        attempt = Attempt(runs, on_limit=self._mark_stopping)
        session.on_error = lambda failure: attempt.end(EndReason.FAILURE, failure)
        with self._lock:
            self._attempt = attempt
            stop_requested = self._stop_requested
        if stop_requested:
            raise JobStopped
        self._check_abandoned()
        with self._listener.listening(attempt):
            attempt.run(session.command(), max_seconds=seconds)
        self._check_abandoned()
        return attempt

    def _session(self) -> Session:
        shared = self._shared
        return Session(
            self._cloud, self._job, self._cluster, shared.file_systems, shared.bodies,
            network=self._network.pid,
        )  # fmt: skip

    def _start_time(self) -> dict[str, Any]:
        # An interrupted job keeps the time of its first start.
        known = self._repository.describe(self._name).get("TrainingStartTime")
        return {"TrainingStartTime": known or self._cloud.clock.now()}

    def _remove_hosts(self) -> None:
        self._pool = None
        shutil.rmtree(self._root, ignore_errors=True)

    def _mark_stopping(self) -> None:
        with suppress(AwsError):
            self._repository.mark_stopping(self._name)

    def _end(self, secondary: str, *, keep_instances: bool = True, **members: Any) -> None:
        self._check_abandoned()
        members |= self._stopping_condition.times()
        final = self._listener.metrics.final()
        if final:
            members["FinalMetricDataList"] = final
        # Before the final status, because a caller that waits for it expects an available pool.
        if keep_instances and self._hosts:
            caches = [(host.plan.name, host.directory.warm_cache) for host in self._hosts]
            self._shared.pools.keep(self._name, caches)
        else:
            self._shared.pools.drop(self._name)
        document = self._repository.move(self._name, secondary, **members)
        if self._on_end is not None:
            self._on_end(document)

    def _check_stop(self) -> None:
        self._check_abandoned()
        with self._lock:
            if self._stop_requested:
                raise JobStopped

    def _check_abandoned(self) -> None:
        if self._abandoned or self._cloud.stopped.is_set():
            raise Abandoned
