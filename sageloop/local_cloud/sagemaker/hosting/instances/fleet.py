"""The fleet of an endpoint configuration: its variants and their instances."""

from __future__ import annotations

import random
import threading
import time as wall
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from typing import Any

from sageloop.local_cloud.sagemaker.hosting.instances.instance import Blueprint, Instance
from sageloop.local_cloud.sagemaker.hosting.invocation.capture import CaptureSettings
from sageloop.local_cloud.sagemaker.hosting.invocation.connections import NotSent
from sageloop.local_cloud.sagemaker.hosting.invocation.serving import (
    PRIMARY,
    Invocation,
    NoResponse,
    ServedResponse,
    Unavailable,
    refuse_unsupported_target,
)

MakeInstance = Callable[[Blueprint, Callable[[], None]], Instance]


class StartFailure(Exception):
    """Instances did not start; the text is the FailureReason of the endpoint."""


@dataclass(frozen=True, kw_only=True)
class VariantSpec:
    """The properties of a production or shadow variant that its fleet needs."""

    name: str
    config_name: str
    blueprint: Blueprint
    image: str
    resolved_at: datetime
    least_outstanding: bool
    capture: CaptureSettings | None
    instance_type: str | None = None
    enhanced_metrics: bool = False
    metrics_every: float = 60.0
    shadow: bool = False


class VariantFleet:
    """The running instances of a variant.

    ``serving`` are the instances that the router chooses from: a tuple that is replaced, never
    changed. ``exposed`` limits it to the first instances, as for a canary. Other kinds of variants
    override :meth:`check`, :meth:`admit`, :meth:`provision` and :meth:`summary`.
    ``max_response_bytes`` is the maximum size of a response.
    """

    max_response_bytes = 6_291_456

    def __init__(self, spec: VariantSpec, make: MakeInstance, *, weight: float) -> None:
        self.spec = spec
        self.weight = weight
        self.desired = 0
        self.serving: tuple[Instance, ...] = ()
        self.shadow: VariantFleet | None = None
        self._make = make
        self._lock = threading.Condition()
        self._instances: list[Instance] = []
        self._exposed: int | None = None

    @property
    def count(self) -> int:
        """The number of instances, healthy or not."""
        return len(self._instances)

    @property
    def instances(self) -> list[Instance]:
        """The instances."""
        with self._lock:
            return list(self._instances)

    def expose(self, limit: int | None) -> None:
        """Serve only from the first ``limit`` instances (``None``: all)."""
        self._exposed = limit
        self._refresh()

    def pick(self) -> Instance | None:
        """Choose an instance for a request by the routing strategy of the variant."""
        serving = self.serving
        if len(serving) <= 1:
            return serving[0] if serving else None
        if self.spec.least_outstanding:
            return min(serving, key=_outstanding)
        return random.choice(serving)  # noqa: S311 - routing, not a secret

    def check(self, invocation: Invocation) -> None:
        """Refuse a request that this kind of variant does not support (``AwsError``)."""
        refuse_unsupported_target(invocation)

    def admit(self, invocation: Invocation) -> Instance | None:
        """An instance that has accepted the request (``begin``), or ``None`` if none does."""
        instance = self.pick()
        return instance if instance is not None and instance.begin() else None

    def serve(self, invocation: Invocation, headers: Mapping[str, str]) -> ServedResponse:
        """Send a request to an instance and return its response.

        Raises :class:`Unavailable` if no instance accepted the request, :class:`NoResponse` if an
        instance accepted it and did not respond.
        """
        instance = self.admit(invocation)
        if instance is None:
            raise Unavailable(self.spec.name)
        sent = wall.perf_counter()
        try:
            prepared = instance.prepare(invocation)
            sent = wall.perf_counter()
            response = instance.serve(prepared, headers)
        except NotSent as error:
            instance.check_process()
            raise Unavailable(str(error)) from error
        except (OSError, HTTPException) as error:
            if not isinstance(error, TimeoutError):
                instance.check_process()
            raise NoResponse(
                error, instance=instance.id, log_arn=instance.log.arn, sent=sent
            ) from error
        finally:
            instance.finish()
        return ServedResponse(
            response=response, instance=instance.id, log_arn=response.log_arn or instance.log.arn,
            sent=sent, received=wall.perf_counter(), container=response.container or PRIMARY,
        )  # fmt: skip

    def await_instance(self, seconds: float) -> None:
        """Wait up to so many wall seconds until an instance is healthy or none is starting."""
        with self._lock:
            self._lock.wait_for(
                lambda: self.serving or not any(i.starting_or_serving for i in self._instances),
                seconds,
            )

    def provision(self, number: int) -> list[Blueprint]:
        """The blueprints of new instances. Raises :class:`StartFailure` without capacity."""
        return [self.spec.blueprint] * number

    def summary(self) -> dict[str, Any]:
        """Weights and counts in the format of DescribeEndpoint."""
        return {
            "CurrentWeight": self.weight,
            "DesiredWeight": self.weight,
            "CurrentInstanceCount": self.count,
            "DesiredInstanceCount": self.desired,
        }

    def scale(self, count: int) -> None:
        """Start or stop instances until there are ``count``; raises :class:`StartFailure`."""
        self.desired = count
        missing = count - self.count
        if missing > 0:
            self._grow(missing)
        elif missing < 0:
            self._shrink(-missing)

    def restore(self) -> None:
        """Ensure that an instance is healthy if there are any; else raise :class:`StartFailure`.

        An instance that is down is restarted once, and one that is starting is waited for.
        """
        for instance in self.instances:
            if not instance.healthy:
                instance.restart_if_down()
        self.await_instance(self.spec.blueprint.startup_seconds)
        if self._instances and not self.serving:
            raise self._unready(self._instances[0])

    def measure(self) -> None:
        """Publish the metrics of a variant that are due every minute; none for this kind."""

    def stop(self) -> None:
        """Drain and stop all instances."""
        self.scale(0)

    def abandon(self) -> None:
        """Release all instances at once; the cloud is shutting down."""
        for instance in self.instances:
            instance.abandon()

    def _grow(self, number: int) -> None:
        try:
            blueprints = self.provision(number)
        except StartFailure:
            self.desired = self.count
            raise
        started = [self._make(blueprint, self._refresh) for blueprint in blueprints]
        with self._lock:
            self._instances += started
        try:
            outcomes = run_all([instance.start for instance in started])
        except BaseException:
            self._remove_failed(started)
            raise
        if all(outcomes):
            return
        self._remove_failed(started)
        raise self._unready(started[outcomes.index(False)])

    def _unready(self, failed: Instance) -> StartFailure:
        return StartFailure(
            f"The {failed.unready} container for production variant {self.spec.name} did not pass "
            "the ping health check. Please check CloudWatch logs for this endpoint."
        )

    def _remove_failed(self, failed: list[Instance]) -> None:
        with self._lock:
            self._instances = [i for i in self._instances if i not in failed]
        self._refresh()
        run_all([instance.stop for instance in failed])
        self.desired = self.count

    def _shrink(self, number: int) -> None:
        with self._lock:
            kept_count = len(self._instances) - number
            leaving, self._instances = self._instances[kept_count:], self._instances[:kept_count]
        # Remove them from routing first, because a stopping process must not get a request.
        self._refresh()
        run_all([instance.stop for instance in leaving])

    def _refresh(self) -> None:
        with self._lock:
            limited = self._instances[: self._exposed]
            self.serving = tuple(i for i in limited if i.healthy)
            self._lock.notify_all()


class Fleet:
    """The variants of one endpoint configuration.

    ``shadows`` get copies of requests; counts and traffic are those of the production variants.
    """

    def __init__(
        self, config: Mapping[str, Any], variants: Iterable[VariantFleet],
        shadows: Iterable[VariantFleet] = (),
    ) -> None:  # fmt: skip
        self.config = config
        self.config_name = str(config["EndpointConfigName"])
        self.variants = {v.spec.name: v for v in variants}
        self.shadows = {v.spec.name: v for v in shadows}
        for shadow in self.shadows.values():
            for variant in self.variants.values():
                variant.shadow = shadow

    @property
    def all_variants(self) -> dict[str, VariantFleet]:
        """Production and shadow variants by name."""
        return self.variants | self.shadows

    @property
    def counts(self) -> dict[str, int]:
        """The desired number of instances of each variant."""
        return {name: variant.desired for name, variant in self.variants.items()}

    @property
    def size(self) -> int:
        """The number of instances of all production variants."""
        return sum(variant.count for variant in self.variants.values())

    @property
    def serving(self) -> int:
        """The number of healthy instances of all production variants."""
        return sum(len(variant.serving) for variant in self.variants.values())

    def scale(self, counts: Mapping[str, int]) -> None:
        """Scale variants to these counts in parallel; raises :class:`StartFailure`."""
        failures: list[StartFailure] = []

        def one(name: str, count: int) -> None:
            try:
                self.all_variants[name].scale(count)
            except StartFailure as failure:
                failures.append(failure)

        run_all([_bound(one, name, count) for name, count in counts.items()])
        if failures:
            raise failures[0]

    def restore(self) -> None:
        """Ensure that each variant with traffic is healthy; else raise :class:`StartFailure`."""
        run_all([variant.restore for variant in self.variants.values() if variant.weight > 0])

    def expose(self, counts: Mapping[str, int] | None) -> None:
        """Limit the instances that serve requests to these counts by variant."""
        for name, variant in self.variants.items():
            variant.expose(None if counts is None else counts.get(name))

    def stop(self) -> None:
        """Drain and stop all instances."""
        self.scale(dict.fromkeys(self.all_variants, 0))

    def abandon(self) -> None:
        """Release all instances at once; the cloud is shutting down."""
        for variant in self.all_variants.values():
            variant.abandon()


def run_all(calls: list[Callable[[], Any]]) -> list[Any]:
    """Call functions in parallel and return their results in order.

    Raises the first exception once all calls have ended.
    """
    if not calls:
        return []
    if len(calls) == 1:
        return [calls[0]()]
    results: list[Any] = [None] * len(calls)
    failures: list[BaseException] = []

    def one(index: int) -> None:
        try:
            results[index] = calls[index]()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(i,), daemon=True) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results


def _bound(call: Callable[[str, int], None], name: str, count: int) -> Callable[[], None]:
    return lambda: call(name, count)


def _outstanding(instance: Instance) -> int:
    return instance.outstanding
