"""Managed warm pools: instances kept after a job for the next job with the same configuration.

The local cloud provisions no instances. A pool keeps its persistent cache directory, its capacity
and its WarmPoolStatus.
https://docs.aws.amazon.com/sagemaker/latest/dg/train-warm-pools.html
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.store import Document
from sageloop.local_cloud.sagemaker.training.repository import FAMILY

if TYPE_CHECKING:
    from sageloop.local_cloud.core.clock import Timer
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.store import SageMakerStore

_SAME_RESOURCES = ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId")
_SAME = (
    "RoleArn", "VpcConfig", "EnableInterContainerTrafficEncryption", "EnableNetworkIsolation",
)  # fmt: skip


class WarmPools:
    """The available warm pools, by the name of the job that created them."""

    def __init__(self, cloud: Cloud, store: SageMakerStore) -> None:
        self._clock = cloud.clock
        self._store = store
        self._folder = cloud.work_dir / "warm-pools"
        self._lock = threading.RLock()
        self._since: dict[str, float] = {}
        self._timers: dict[str, Timer] = {}

    def take(self, job: Document) -> Path | None:
        """Assign the matching pool to a job; return the caches of the pool, one for each host."""
        with self._lock:
            for name in self._since:
                if _key(self._store.get(FAMILY, name)) == _key(job):
                    self._close(name, "Reused", ReusedByJob=job["TrainingJobName"])
                    self._set_status(job["TrainingJobName"], {"Status": "InUse"})
                    return self._folder / name
        return None

    def keep(self, name: str, caches: Iterable[tuple[str, Path]]) -> None:
        """Keep the instances of a job if it requests a pool; ``caches`` are by host."""
        job = self._store.get(FAMILY, name)
        seconds = job["ResourceConfig"].get("KeepAlivePeriodInSeconds", 0)
        with self._lock:
            if not seconds:
                if "WarmPoolStatus" in job:
                    self._set_status(name, {"Status": "Terminated"})
                return
            folder = self._folder / name
            folder.mkdir(parents=True, exist_ok=True)
            for host, cache in caches:
                if cache.is_dir():
                    shutil.move(cache, folder / host)
            self._since[name] = self._clock.time()
            self._set_status(
                name, {"Status": "Available", "ResourceRetainedBillableTimeInSeconds": 0}
            )
            self._expire_after(name, seconds)

    def drop(self, name: str) -> None:
        """Record that a job ended without instances to keep."""
        if "WarmPoolStatus" in self._store.get(FAMILY, name):
            self._set_status(name, {"Status": "Terminated"})

    def update(self, name: str, seconds: int) -> None:
        """Keep a pool for ``seconds`` from the end of its job (UpdateTrainingJob); 0 ends it.

        Raises ``AwsError`` if the job has no available pool.
        """
        with self._lock:
            status = self._store.get(FAMILY, name).get("WarmPoolStatus", {}).get("Status", "none")
            if name not in self._since:
                raise AwsError(
                    "ValidationException",
                    f"The warm pool of training job {name} must be Available to be updated; its "
                    f"status is {status}.",
                )

            def change(document: Document) -> None:
                document["ResourceConfig"]["KeepAlivePeriodInSeconds"] = seconds
                document["LastModifiedTime"] = self._clock.now()

            self._store.modify(FAMILY, name, change)
            self._timers.pop(name).cancel()
            self._expire_after(name, seconds)

    def available(self, name: str) -> bool:
        """Whether the pool of a job is available for another job."""
        with self._lock:
            return name in self._since

    def _expire_after(self, name: str, seconds: float) -> None:
        left = self._since[name] + seconds - self._clock.time()
        if left <= 0:
            self._expire(name)
            return
        self._timers[name] = self._clock.call_later(
            left, lambda: self._expire(name), label=f"warm pool of {name}"
        )

    def _expire(self, name: str) -> None:
        with self._lock:
            if name in self._since:
                self._close(name, "Terminated")
                shutil.rmtree(self._folder / name, ignore_errors=True)

    def _close(self, name: str, status: str, **members: str) -> None:
        entry = round(self._clock.time() - self._since.pop(name))
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
        limit = self._store.get(FAMILY, name)["ResourceConfig"]["KeepAlivePeriodInSeconds"]
        retained = entry if status == "Reused" else min(entry, limit)
        status_document = {"Status": status, "ResourceRetainedBillableTimeInSeconds": retained}
        self._set_status(name, status_document | members)

    def _set_status(self, name: str, status: dict[str, Any]) -> None:
        self._store.update(FAMILY, name, {"WarmPoolStatus": status})


def _key(job: Document) -> tuple[Any, ...]:
    resources = job["ResourceConfig"]
    return (
        *(resources.get(member) for member in _SAME_RESOURCES),
        *(job.get(member) for member in _SAME),
    )
