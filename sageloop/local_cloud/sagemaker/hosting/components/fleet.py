"""The instances of a variant for inference components, and the copies that run on them."""

from __future__ import annotations

import random
import threading
import time as wall
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.hosting.components.copies import Copy
from sageloop.local_cloud.sagemaker.hosting.components.desired_components import (
    DesiredComponents,
    Plan,
)
from sageloop.local_cloud.sagemaker.hosting.components.hosts import Host, hosts_to_remove, place
from sageloop.local_cloud.sagemaker.hosting.components.metrics import ComponentMetrics
from sageloop.local_cloud.sagemaker.hosting.components.requests import (
    ManagedScaling,
    no_capacity_error,
)
from sageloop.local_cloud.sagemaker.hosting.instances.fleet import (
    StartFailure,
    VariantFleet,
    VariantSpec,
    run_all,
)
from sageloop.local_cloud.sagemaker.hosting.instances.instance import Instance
from sageloop.local_cloud.sagemaker.hosting.instances.instance_types import Resources
from sageloop.local_cloud.sagemaker.hosting.invocation.serving import (
    Invocation,
    NoResponse,
    ServedResponse,
    refuse_unsupported_target,
)

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

MakeCopy = Callable[[Plan, Host[Copy], Callable[[], None]], Copy]
_NO_ROOM = (
    "There is not enough hardware resources on the instances for this endpoint to create a copy "
    "of the inference component. Please update resource requirements for this inference "
    "component, remove existing inference components, or increase the number of instances for "
    "this endpoint."
)


class ComponentFleet(VariantFleet):
    """A fleet that counts instances and runs copies of the desired components.

    Changes are serialized by a lock.
    """

    def __init__(
        self, cloud: Cloud, spec: VariantSpec, make: MakeCopy,
        desired_components: DesiredComponents, *, capacity: Resources,
        managed: ManagedScaling | None, weight: float,
    ) -> None:  # fmt: skip
        super().__init__(spec, _no_instance, weight=weight)
        self.hosts: tuple[Host[Copy], ...] = ()
        self._cloud = cloud
        self._make_copy = make
        self._desired_components = desired_components
        self._capacity = capacity
        self._managed = managed
        self._metrics = ComponentMetrics(cloud)
        self._changing = threading.RLock()

    @property
    def endpoint(self) -> str:
        """The name of the endpoint."""
        return self.spec.blueprint.endpoint

    @property
    def count(self) -> int:
        """The number of instances."""
        return len(self.hosts)

    def copies(self, component: str) -> list[Copy]:
        """The copies of a component, healthy or not."""
        return [copy for copy in self._all() if copy.plan.component == component]

    def restore(self) -> None:
        """Do nothing: the copies of components are restored by their health checks."""

    def expose(self, limit: int | None) -> None:
        """Do nothing: components are deployed separately, without a canary of instances."""

    def check(self, invocation: Invocation) -> None:
        """Refuse a request without the name of a component of the variant."""
        refuse_unsupported_target(invocation, components=True)
        if invocation.component is None:
            raise AwsError(
                "ValidationError",
                "Inference Component Name header is required for endpoints to which you plan to "
                "deploy inference components. Please include Inference Component Name header or "
                "consider using SageMaker models.",
            )
        if (
            self._desired_components.find(self.endpoint, self.spec.name, invocation.component)
            is None
        ):
            raise AwsError(
                "ValidationError",
                f"Inference Component {invocation.component} not found for endpoint "
                f"{invocation.endpoint}.",
            )

    def admit(self, invocation: Invocation) -> Instance | None:
        """A copy of the component. Raises ``AwsError`` if the component has no copy."""
        component = str(invocation.component)
        if not self.copies(component):
            self._metrics.refused(component)
            raise no_capacity_error()
        serving = cast("tuple[Copy, ...]", self.serving)
        healthy = [copy for copy in serving if copy.plan.component == component]
        if not healthy:
            return None
        chosen = (
            min(healthy, key=lambda copy: copy.outstanding)
            if self.spec.least_outstanding
            else random.choice(healthy)  # noqa: S311 - routing, not a secret
        )
        if not chosen.begin():
            return None
        self._metrics.busy(component, healthy)
        return chosen

    def serve(self, invocation: Invocation, headers: Mapping[str, str]) -> ServedResponse:
        """Send a request to a copy and publish the metrics of the component."""
        began, component = wall.perf_counter(), str(invocation.component)
        try:
            served = super().serve(invocation, headers)
        except NoResponse as broken:
            self._publish_request(component, 0, wall.perf_counter() - broken.sent, began)
            raise
        self._publish_request(
            component, served.response.status, served.received - served.sent, began
        )
        return served

    def scale(self, count: int) -> None:
        """Set the number of instances; copies of removed instances are moved.

        A count of 0 stops all copies. Raises :class:`StartFailure`.
        """
        with self._changing:
            self.desired = count
            if count == 0:
                self._end(self._all())
                self.hosts = ()
                return
            self._add(count - self.count)
            for host in hosts_to_remove(self.hosts, self.count - count):
                self.hosts = tuple(h for h in self.hosts if h is not host)
                self._move(host)
            for desired_component in self._desired_components.of(self.endpoint, self.spec.name):
                self.ensure_copies(desired_component.plan, desired_component.copies)

    def ensure_copies(self, plan: Plan, number: int) -> None:
        """Set the number of copies of a plan; copies of the component's other plans are kept.

        Raises :class:`StartFailure` after starting as many copies as possible.
        """
        with self._changing:
            current = [copy for copy in self.copies(plan.component) if copy.plan is plan]
            self.stop_copies(current[number:])
            self._start(plan, number - len(current))

    def stop_copies(self, copies: list[Copy]) -> None:
        """Stop copies and release instances without copies."""
        with self._changing:
            self._end(copies)
            self._release_later()

    def measure(self) -> None:
        """Publish concurrent requests and reserved resources of copies."""
        for desired_component in self._desired_components.of(self.endpoint, self.spec.name):
            copies = self.copies(desired_component.plan.component)
            self._metrics.busy(desired_component.plan.component, copies)
            self._metrics.reserved(desired_component.plan.component, copies)
        self._metrics.instances(self.endpoint, self.spec.name, self.hosts)

    def summary(self) -> dict[str, Any]:
        """Weights, counts and routing in the format of DescribeEndpoint."""
        summary = super().summary()
        if self._managed is not None:
            summary["ManagedInstanceScaling"] = {
                "Status": "ENABLED", "MinInstanceCount": self._managed.minimum,
                "MaxInstanceCount": self._managed.maximum,
            }  # fmt: skip
        return summary

    def _all(self) -> list[Copy]:
        return cast("list[Copy]", self.instances)

    def _publish_request(self, component: str, status: int, model: float, began: float) -> None:
        overhead = wall.perf_counter() - began - model
        copies = len(self.copies(component))
        self._metrics.invoked(component, copies, status=status, model=model, overhead=overhead)

    def _add(self, number: int) -> None:
        for _ in range(number):
            if self._cloud.faults.capacity_refused(str(self.spec.instance_type)):
                self.desired = self.count
                raise StartFailure(
                    f"Unable to provision requested ML compute capacity for variant "
                    f"{self.spec.name}: InsufficientInstanceCapacity error."
                )
            self.hosts += (Host(self._capacity),)

    def _start(self, plan: Plan, number: int) -> None:
        started: list[Copy] = []
        failure: StartFailure | None = None
        for _ in range(number):
            try:
                host = self._find_host(plan)
            except StartFailure as error:
                failure = error
                break
            copy = self._make_copy(plan, host, self._refresh)
            host.copies.append(copy)
            started.append(copy)
        with self._lock:
            self._instances += started
        outcomes = run_all([copy.start for copy in started]) if started else []
        failed = [copy for copy, passed in zip(started, outcomes, strict=True) if not passed]
        if failed:
            self.stop_copies(failed)
            raise StartFailure(
                f"The primary container for inference component {plan.component} did not pass the "
                "ping health check. Please check CloudWatch logs for this inference component."
            )
        if failure is not None:
            raise failure

    def _find_host(self, plan: Plan) -> Host[Copy]:
        host = place(self.hosts, plan.component, plan.needs, packed=plan.packed)
        if host is not None:
            return host
        managed = self._managed
        if managed is None or self.count >= managed.maximum or not self._capacity.holds(plan.needs):
            raise StartFailure(_NO_ROOM)
        self._add(1)
        self.desired = self.count
        return self.hosts[-1]

    def _move(self, host: Host[Copy]) -> None:
        """Start the copies of an instance on other instances before stopping them."""
        failures: list[StartFailure] = []
        for copy in list(host.copies):
            try:
                self._start(copy.plan, 1)
            except StartFailure as failure:
                failures.append(failure)
            finally:
                self._end([copy])
        if failures:
            raise failures[0]

    def _end(self, copies: list[Copy]) -> None:
        if not copies:
            return
        with self._lock:
            self._instances = [copy for copy in self._instances if copy not in copies]
        for copy in copies:
            copy.host.copies.remove(copy)
        self._refresh()
        run_all([copy.stop for copy in copies])

    def _release_later(self) -> None:
        managed = self._managed
        if managed is None:
            return
        if managed.cooldown <= 0:
            self._release()
            return
        self._cloud.clock.call_later(
            managed.cooldown, self._release, label=f"scale-in of {self.endpoint}"
        )

    def _release(self) -> None:
        managed = self._managed
        with self._changing:
            empty = [host for host in self.hosts if not host.copies]
            spare = self.count - (0 if managed is None else managed.minimum)
            surplus = empty[len(empty) - max(0, min(spare, len(empty))) :]
            self.hosts = tuple(host for host in self.hosts if host not in surplus)
            self.desired = self.count


def _no_instance(*_: Any) -> Instance:
    raise TypeError("a variant for components runs copies, not instances")
