"""Worker processes of function versions: warm ones are reused, unneeded ones ended."""

from __future__ import annotations

import secrets
import sys
import threading
import time as wall
from typing import TYPE_CHECKING

from sageloop.local_cloud.access.caller import SessionOrigin
from sageloop.local_cloud.core.processes import clean_environment
from sageloop.local_cloud.functions.code import CodeStore
from sageloop.local_cloud.functions.fork_server import ForkServer
from sageloop.local_cloud.functions.model import Version
from sageloop.local_cloud.functions.worker import Worker

if TYPE_CHECKING:
    from pathlib import Path

    from sageloop.local_cloud.core.cloud import Cloud

# The fork server first loads boto3; a worker itself starts within milliseconds.
_FORK_SECONDS = 60.0
_IDLE_SECONDS = 600.0
_PYTHON_LEVELS = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}


class WorkerPool:
    """Idle workers by the revision of their version."""

    def __init__(self, cloud: Cloud, code: CodeStore) -> None:
        self._cloud = cloud
        self._code = code
        self._lock = threading.Lock()
        self._idle: dict[str, list[Worker]] = {}
        self._alive: set[Worker] = set()
        self._retired: set[str] = set()
        self._stopped = False
        self.forks = ForkServer(cloud)

    def take(self, version: Version) -> Worker | None:
        """The last used warm worker, if one is idle."""
        with self._lock:
            idle = self._idle.get(version.revision)
            return idle.pop() if idle else None

    def start(self, version: Version) -> Worker:
        """Fork a worker that has not loaded its handler. Raises ``OSError``."""
        day = self._cloud.clock.now().strftime("%Y/%m/%d")
        stream = f"{day}/[{version.number}]{secrets.token_hex(16)}"
        worker = Worker(self.forks.fork(), stream=stream, end=self._cloud.processes.kill_adopted)
        if not worker.wait_until_ready(_FORK_SECONDS):
            worker.close()
            raise OSError("the fork server did not start a worker")
        self._cloud.processes.adopt(worker.pid, f"lambda:{version.name}")
        with self._lock:
            self._alive.add(worker)
            stopped = self._stopped
        if stopped:
            self.end(worker)
            raise OSError("the cloud is stopping")
        return worker

    def release(self, version: Version, worker: Worker) -> None:
        """Keep a healthy worker for the next invocation."""
        worker.idle_since = wall.monotonic()
        with self._lock:
            kept = not self._stopped and version.revision not in self._retired
            if kept:
                self._idle.setdefault(version.revision, []).append(worker)
            stale = self._take_stale()
        for unneeded in stale if kept else [*stale, worker]:
            self.end(unneeded)

    def end(self, worker: Worker) -> None:
        """End a worker."""
        worker.kill()
        worker.close()
        self._cloud.processes.release(worker.pid)
        with self._lock:
            self._alive.discard(worker)

    def retire(self, version: Version) -> None:
        """End a version's idle workers now, and its busy ones after their invocation."""
        with self._lock:
            self._retired.add(version.revision)
            idle = self._idle.pop(version.revision, [])
        for worker in idle:
            self.end(worker)

    def stop(self) -> None:
        """End every worker."""
        with self._lock:
            self._stopped = True
            alive = list(self._alive)
            self._idle.clear()
        for worker in alive:
            worker.kill()
            self._cloud.processes.release(worker.pid)

    def initialisation(self, version: Version, worker: Worker) -> dict[str, object]:
        """The message that makes a fresh worker load the version's handler."""
        opt = self._code.merged([layer.package for layer in version.layers])
        task_root = str(version.package.folder)
        paths = [task_root, *_layer_paths(opt)]
        level = version.settings["LoggingConfig"].get("ApplicationLogLevel", "WARN")
        return {
            "kind": "init", "handler": version.settings["Handler"], "task_root": task_root,
            "paths": paths, "environment": self._environment(version, worker, paths, opt),
            "as_json": version.logs_json, "log_level": _PYTHON_LEVELS.get(level, level),
        }  # fmt: skip

    def _environment(
        self, version: Version, worker: Worker, paths: list[str], opt: Path | None
    ) -> dict[str, str]:
        cloud = self._cloud
        region = version.arn.split(":")[3]
        scratch = cloud.work_dir / "lambda" / "tmp" / str(worker.pid)
        scratch.mkdir(parents=True, exist_ok=True)
        env = clean_environment()
        own = {
            "_HANDLER": version.settings["Handler"],
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{version.settings['Runtime']}",
            "AWS_LAMBDA_FUNCTION_NAME": version.name,
            "AWS_LAMBDA_FUNCTION_VERSION": version.number,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(version.memory),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": version.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": worker.stream,
            "AWS_LAMBDA_LOG_FORMAT": version.settings["LoggingConfig"]["LogFormat"],
            "LAMBDA_TASK_ROOT": paths[0],
            "LAMBDA_RUNTIME_DIR": str(self.forks.runtime_dir),
            "PYTHONPATH": ":".join([*paths, str(self.forks.runtime_dir)]),
            "LANG": "en_US.UTF-8",
            "TZ": "UTC",
            "TMPDIR": str(scratch),
        }
        if opt is not None:
            own["PATH"] = f"{env.get('PATH', '/usr/bin:/bin')}:{opt / 'bin'}"
        variables: dict[str, str] = version.settings.get("Environment", {}).get("Variables", {})
        credentials = cloud.credentials_of(version.role, version.name, _origin(version))
        # The cloud's own variables come last: a function must not configure another endpoint.
        reach = cloud.child_environment(credentials)
        return env | own | variables | reach | {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}

    def _take_stale(self) -> list[Worker]:
        limit = wall.monotonic() - _IDLE_SECONDS
        stale: list[Worker] = []
        for revision, idle in list(self._idle.items()):
            stale += [w for w in idle if w.idle_since < limit]
            self._idle[revision] = [w for w in idle if w.idle_since >= limit]
        return stale


def _origin(version: Version) -> SessionOrigin:
    subnets = version.settings.get("VpcConfig", {}).get("SubnetIds", ())
    arn = ":".join(version.arn.split(":")[:7])  # without a version, as AWS documents the key
    return SessionOrigin(subnet_ids=tuple(subnets), function_arn=arn)


def _layer_paths(opt: Path | None) -> list[str]:
    if opt is None:
        return []
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [str(opt / "python"), str(opt / "python" / "lib" / version / "site-packages")]
