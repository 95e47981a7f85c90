"""The execution environments of a serverless variant: warm starts and cold starts."""

from __future__ import annotations

import time as wall
import uuid
from typing import TYPE_CHECKING, Any, cast

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.hosting.instances.fleet import (
    MakeInstance,
    StartFailure,
    VariantFleet,
    VariantSpec,
    run_all,
)
from sageloop.local_cloud.sagemaker.hosting.invocation.serving import (
    Invocation,
    refuse_unsupported_target,
)
from sageloop.local_cloud.sagemaker.hosting.serverless.environment import Environment
from sageloop.local_cloud.sagemaker.hosting.serverless.metrics import Load, ServerlessMetrics
from sageloop.local_cloud.sagemaker.hosting.serverless.settings import (
    MAX_PAYLOAD,
    STARTUP_SECONDS,
    ServerlessSettings,
)

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

# Virtual seconds until an idle environment ends; AWS documents no value.
IDLE_SECONDS = 600.0
_NOT_UP = (
    f"Unable to successfully stand up your model within the allotted {STARTUP_SECONDS} second "
    "timeout. Please ensure that downloading your model artifacts, starting your model container "
    f"and passing the ping health checks can be completed within {STARTUP_SECONDS} seconds."
)


class ServerlessFleet(VariantFleet):
    """Starts environments for requests, up to ``settings.max_concurrency`` at once.

    Its count is that of provisioned environments. As on AWS the model is started once when the
    variant is created; that environment ends before the first request.
    """

    max_response_bytes = MAX_PAYLOAD

    def __init__(
        self, cloud: Cloud, spec: VariantSpec, make: MakeInstance, settings: ServerlessSettings,
        *, weight: float,
    ) -> None:  # fmt: skip
        super().__init__(spec, make, weight=weight)
        self.settings = settings
        self._cloud = cloud
        self._metrics = ServerlessMetrics(cloud, spec.blueprint.endpoint, spec.name)
        self._busy: set[Environment] = set()
        self._launched = False

    @property
    def count(self) -> int:
        """The number of provisioned environments."""
        with self._lock:
            return len(self._provisioned())

    def check(self, invocation: Invocation) -> None:
        """Refuse a request over the payload limit of serverless inference."""
        refuse_unsupported_target(invocation)
        if len(invocation.body) > MAX_PAYLOAD:
            raise AwsError("ValidationError", f"Request {uuid.uuid4()} has oversize body.")

    def admit(self, invocation: Invocation) -> Environment | None:
        """A warm free environment or a new one; throttled at the maximum concurrency."""
        environment, cold = self._acquire()
        if cold:
            began = wall.perf_counter()
            try:
                started = environment.start()
            except BaseException:
                self._end([environment])
                raise
            if not started:
                self._end([environment])
                raise _start_error()
            self._metrics.cold_start(wall.perf_counter() - began)
        if not environment.begin():
            self._free(environment)
            return None
        self._metrics.request_taken(self._load(), provisioned=environment.provisioned)
        return environment

    def scale(self, count: int) -> None:
        """Set the number of provisioned environments; 0 for a running variant ends all."""
        self.desired = count
        if count > 0:
            self._provision(count)
        elif self._launched:
            self._end(self.instances)
        else:
            self._probe_model()
        self._launched = True

    def restore(self) -> None:
        """Do nothing: requests start environments."""

    def apply_settings(self, settings: ServerlessSettings) -> None:
        """Set other settings; :meth:`scale` applies them to environments."""
        self.settings = settings

    def measure(self) -> None:
        """Publish the concurrency of the variant."""
        self._metrics.load(self._load())

    def summary(self) -> dict[str, Any]:
        """Weights and settings in the format of DescribeEndpoint."""
        return {
            "CurrentWeight": self.weight,
            "DesiredWeight": self.weight,
            "CurrentServerlessConfig": self.settings.described(self.count),
            "DesiredServerlessConfig": self.settings.described(self.desired),
        }

    def _acquire(self) -> tuple[Environment, bool]:
        """Reserve an environment; return it and whether it must be started."""
        with self._lock:
            if len(self._busy) >= self.settings.max_concurrency:
                raise AwsError("ThrottlingException", "Rate exceeded", 400)
            warm = [e for e in self._environments() if e.healthy and e not in self._busy]
            warm.sort(key=lambda e: not e.provisioned)
            chosen = warm[0] if warm else self._new()
            self._busy.add(chosen)
            return chosen, not warm

    def _new(self) -> Environment:
        environment = cast(Environment, self._make(self.spec.blueprint, self._refresh))
        environment.on_free, environment.on_exit = self._free, self._exited
        with self._lock:
            self._instances.append(environment)
        return environment

    def _free(self, environment: Environment) -> None:
        with self._lock:
            self._busy.discard(environment)
            environment.idle_since = self._cloud.clock.time()
            watched, environment.watched = environment.watched, True
        if not watched:
            self._watch(environment, IDLE_SECONDS)

    def _watch(self, environment: Environment, seconds: float) -> None:
        label = f"idle environment of {self.spec.blueprint.endpoint}"
        self._cloud.clock.call_later(seconds, lambda: self._expire(environment), label=label)

    def _expire(self, environment: Environment) -> None:
        left = environment.idle_since + IDLE_SECONDS - self._cloud.clock.time()
        with self._lock:
            if environment.provisioned or environment not in self._instances:
                environment.watched = False
                return
            busy = environment in self._busy
            if not busy and left <= 0:
                self._instances.remove(environment)
        if busy or left > 0:
            self._watch(environment, left if left > 0 else IDLE_SECONDS)
        else:
            self._refresh()
            self._stop_later(environment)

    def _exited(self, environment: Environment) -> None:
        self._remove(environment)
        self._stop_later(environment)

    def _stop_later(self, environment: Environment) -> None:
        label = f"end of an environment of {self.spec.blueprint.endpoint}"
        self._cloud.activity.spawn(label, environment.stop)

    def _remove(self, environment: Environment) -> None:
        with self._lock:
            self._busy.discard(environment)
            if environment in self._instances:
                self._instances.remove(environment)

    def _provision(self, count: int) -> None:
        with self._lock:
            current = self._provisioned()
            started = [self._new() for _ in range(count - len(current))]
            surplus = sorted(current, key=lambda e: e in self._busy)[: max(0, len(current) - count)]
        for environment in started:
            environment.provisioned = True
        try:
            if not all(run_all([environment.start for environment in started])):
                raise StartFailure(_NOT_UP)
        except BaseException:
            self._end(started)
            self.desired = self.count
            raise
        self._end(surplus)

    def _probe_model(self) -> None:
        with self._lock:
            environment = self._new()
        try:
            passed = environment.start()
        finally:
            self._end([environment])
        if not passed:
            raise StartFailure(_NOT_UP)

    def _end(self, environments: list[Any]) -> None:
        for environment in environments:
            self._remove(environment)
        self._refresh()
        if environments:
            run_all([environment.stop for environment in environments])

    def _load(self) -> Load:
        with self._lock:
            provisioned = self._provisioned()
            used = sum(1 for environment in self._busy if environment.provisioned)
            return Load(len(self._busy), self.settings.max_concurrency, used, len(provisioned))

    def _provisioned(self) -> list[Environment]:
        return [e for e in self._environments() if e.provisioned]

    def _environments(self) -> list[Environment]:
        return cast("list[Environment]", self._instances)


def _start_error() -> AwsError:
    return AwsError(
        "ModelError", _NOT_UP, 424,
        fields={"OriginalStatusCode": 500, "OriginalMessage": _NOT_UP, "LogStreamArn": ""},
    )  # fmt: skip
