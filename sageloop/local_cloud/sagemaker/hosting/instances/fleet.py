"""The instances behind one endpoint configuration: a fleet of variants."""

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
    refuse_addressed,
)

MakeInstance = Callable[[Blueprint, Callable[[], None]], Instance]


class StartFailure(Exception):
    """Instances did not come up; the text is the endpoint's FailureReason."""


@dataclass(frozen=True, kw_only=True)
class VariantSpec:
    """A production variant ready to run."""

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

    ``serving`` is what the router picks from: a tuple that is replaced, never changed.
    ``exposed`` limits it to the first instances, as in a canary. Other kinds of variants
    override :meth:`check`, :meth:`admit`, :meth:`provision` and :meth:`summary`. An answer may
    have ``most_bytes``.
    """

    most_bytes = 6_291_456

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
        """Instances there are, healthy or not."""
        return len(self._instances)

    @property
    def instances(self) -> list[Instance]:
        """The instances."""
        with self._lock:
            return list(self._instances)

    def expose(self, limit: int | None) -> None:
        """Serve from the first ``limit`` instances only (``None``: all)."""
        self._exposed = limit
        self._refresh()

    def pick(self) -> Instance | None:
        """An instance for one request, by the variant's routing strategy."""
        serving = self.serving
        if len(serving) <= 1:
            return serving[0] if serving else None
        if self.spec.least_outstanding:
            return min(serving, key=_outstanding)
        return random.choice(serving)  # noqa: S311 - routing, not a secret

    def check(self, invocation: Invocation) -> None:
        """Refuse (``AwsError``) a request that this kind of variant does not take."""
        refuse_addressed(invocation)

    def admit(self, invocation: Invocation) -> Instance | None:
        """An instance that has taken the request in (``begin``), or ``None`` if none does."""
        instance = self.pick()
        return instance if instance is not None and instance.begin() else None

    def serve(self, invocation: Invocation, headers: Mapping[str, str]) -> ServedResponse:
        """One exchange with an instance.

        Raises :class:`Unavailable` if none took the request, :class:`NoAnswer` if one took it
        and gave no answer.
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
            instance.suspect()
            raise Unavailable(str(error)) from error
        except (OSError, HTTPException) as error:
            if not isinstance(error, TimeoutError):
                instance.suspect()
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
        """Wait until an instance serves, or none is about to, for up to so many wall seconds."""
        with self._lock:
            self._lock.wait_for(
                lambda: self.serving or not any(i.coming for i in self._instances), seconds
            )

    def provision(self, number: int) -> list[Blueprint]:
        """What so many new instances run. Raises :class:`StartFailure` if they cannot be had."""
        return [self.spec.blueprint] * number

    def summary(self) -> dict[str, Any]:
        """Weights and counts as DescribeEndpoint shows them."""
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
        """Have an instance serve if there are any; raises :class:`StartFailure` if none can.

        One that is down is started once more, and one that is being started is waited for.
        """
        for instance in self.instances:
            if not instance.healthy:
                instance.revive()
        self.await_instance(self.spec.blueprint.startup_seconds)
        if self._instances and not self.serving:
            raise self._unready(self._instances[0])

    def measure(self) -> None:
        """Publish what is told of the variant every minute; nothing of this kind."""

    def stop(self) -> None:
        """Drain and stop every instance."""
        self.scale(0)

    def abandon(self) -> None:
        """Let go of every instance at once; the cloud is going down."""
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
        # Out of the router's sight first, so that no request meets a stopping process.
        self._refresh()
        run_all([instance.stop for instance in leaving])

    def _refresh(self) -> None:
        with self._lock:
            limited = self._instances[: self._exposed]
            self.serving = tuple(i for i in limited if i.healthy)
            self._lock.notify_all()


class Fleet:
    """All variants of one endpoint configuration.

    ``shadows`` get copies of requests; counts and traffic are of the production variants.
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
    def everyone(self) -> dict[str, VariantFleet]:
        """Production and shadow variants."""
        return self.variants | self.shadows

    @property
    def counts(self) -> dict[str, int]:
        """Desired instances a variant."""
        return {name: variant.desired for name, variant in self.variants.items()}

    @property
    def size(self) -> int:
        """Instances there are, over all production variants."""
        return sum(variant.count for variant in self.variants.values())

    @property
    def serving(self) -> int:
        """Instances that take requests, over all production variants."""
        return sum(len(variant.serving) for variant in self.variants.values())

    def scale(self, counts: Mapping[str, int]) -> None:
        """Bring variants to these counts, in parallel; raises :class:`StartFailure`."""
        failures: list[StartFailure] = []

        def one(name: str, count: int) -> None:
            try:
                self.everyone[name].scale(count)
            except StartFailure as failure:
                failures.append(failure)

        run_all([_bound(one, name, count) for name, count in counts.items()])
        if failures:
            raise failures[0]

    def restore(self) -> None:
        """Have each variant serve that gets traffic; raises :class:`StartFailure` if one cannot."""
        run_all([variant.restore for variant in self.variants.values() if variant.weight > 0])

    def expose(self, counts: Mapping[str, int] | None) -> None:
        """Limit what serves to so many instances a variant."""
        for name, variant in self.variants.items():
            variant.expose(None if counts is None else counts.get(name))

    def stop(self) -> None:
        """Drain and stop everything."""
        self.scale(dict.fromkeys(self.everyone, 0))

    def abandon(self) -> None:
        """Let go of everything at once."""
        for variant in self.everyone.values():
            variant.abandon()


def run_all(calls: list[Callable[[], Any]]) -> list[Any]:
    """Make calls in parallel and return their results in order.

    Raises what the first of them raised, once all have ended.
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
