"""The instances behind one endpoint configuration: a fleet of variants."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sageloop.local_cloud.sagemaker.hosting.capture import CaptureSettings
from sageloop.local_cloud.sagemaker.hosting.instance import Blueprint, Instance

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


class VariantFleet:
    """The running instances of a variant.

    ``serving`` is what the router picks from: a tuple that is replaced, never changed.
    ``exposed`` limits it to the first instances, as in a canary.
    """

    def __init__(self, spec: VariantSpec, make: MakeInstance, *, weight: float) -> None:
        self.spec = spec
        self.weight = weight
        self.desired = 0
        self.serving: tuple[Instance, ...] = ()
        self._make = make
        self._lock = threading.Lock()
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

    def scale(self, count: int) -> None:
        """Start or stop instances until there are ``count``; raises :class:`StartFailure`."""
        self.desired = count
        missing = count - self.count
        if missing > 0:
            self._grow(missing)
        elif missing < 0:
            self._shrink(-missing)

    def stop(self) -> None:
        """Drain and stop every instance."""
        self.scale(0)

    def abandon(self) -> None:
        """Let go of every instance at once; the cloud is going down."""
        for instance in self.instances:
            instance.abandon()

    def _grow(self, number: int) -> None:
        made = [self._make(self.spec.blueprint, self._refresh) for _ in range(number)]
        with self._lock:
            self._instances += made
        outcomes = run_all([instance.start for instance in made])
        if all(outcomes):
            return
        with self._lock:
            self._instances = [i for i in self._instances if i not in made]
        self._refresh()
        run_all([instance.stop for instance in made])
        self.desired = self.count
        raise StartFailure(
            f"The primary container for production variant {self.spec.name} did not pass the "
            "ping health check. Please check CloudWatch logs for this endpoint."
        )

    def _shrink(self, number: int) -> None:
        with self._lock:
            kept = len(self._instances) - number
            leaving, self._instances = self._instances[kept:], self._instances[:kept]
        # Out of the router's sight first, so that no request meets a stopping process.
        self._refresh()
        run_all([instance.stop for instance in leaving])

    def _refresh(self) -> None:
        with self._lock:
            limited = self._instances[: self._exposed]
            self.serving = tuple(i for i in limited if i.healthy)


class Fleet:
    """All variants of one endpoint configuration."""

    def __init__(self, config: Mapping[str, Any], variants: Iterable[VariantFleet]) -> None:
        self.config = config
        self.config_name = str(config["EndpointConfigName"])
        self.variants = {v.spec.name: v for v in variants}

    @property
    def counts(self) -> dict[str, int]:
        """Desired instances a variant."""
        return {name: variant.desired for name, variant in self.variants.items()}

    @property
    def size(self) -> int:
        """Instances there are, over all variants."""
        return sum(variant.count for variant in self.variants.values())

    def scale(self, counts: Mapping[str, int]) -> None:
        """Bring variants to these counts, in parallel; raises :class:`StartFailure`."""
        failures: list[StartFailure] = []

        def one(name: str, count: int) -> None:
            try:
                self.variants[name].scale(count)
            except StartFailure as failure:
                failures.append(failure)

        run_all([_bound(one, name, count) for name, count in counts.items()])
        if failures:
            raise failures[0]

    def expose(self, counts: Mapping[str, int] | None) -> None:
        """Limit what serves to so many instances a variant."""
        for name, variant in self.variants.items():
            variant.expose(None if counts is None else counts.get(name))

    def stop(self) -> None:
        """Drain and stop everything."""
        self.scale(dict.fromkeys(self.variants, 0))

    def abandon(self) -> None:
        """Let go of everything at once."""
        for variant in self.variants.values():
            variant.abandon()


def run_all(calls: list[Callable[[], Any]]) -> list[Any]:
    """Make calls in parallel and return their results in order."""
    if len(calls) == 1:
        return [calls[0]()]
    results: list[Any] = [None] * len(calls)

    def one(index: int) -> None:
        results[index] = calls[index]()

    threads = [threading.Thread(target=one, args=(i,), daemon=True) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def _bound(call: Callable[[str, int], None], name: str, count: int) -> Callable[[], None]:
    return lambda: call(name, count)


def _outstanding(instance: Instance) -> int:
    return instance.outstanding
