"""What an endpoint cannot be made of: each rule in one line, all broken ones at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from .._private.checks import Checks, known
from ..training.instances import family, is_accelerated
from .capture import DataCapture
from .kinds import (
    Asynchronous,
    EndpointKind,
    InferenceComponents,
    MultiModel,
    RealTime,
    Serverless,
)
from .rollout import AllAtOnce, Rollout
from .variants import EnhancedMetrics, Variant

_MOST_VARIANTS = 10
_MOST_ALARMS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """An endpoint's whole configuration but its models.

    Attributes:
        endpoint_name: Name of the endpoint.
        kind: How it answers.
        variants: What its traffic is spread over.
        shadow: A variant that gets copies of requests, and whose answers nobody sees.
        capture: What is kept.
        rollout: How a change comes in.
        metrics: Metrics in more detail.
        rollback_latency: p99 of answers above which a rollout is undone.
        rollback_alarms: Alarms of the user's own that undo a rollout.

    """

    endpoint_name: str
    kind: EndpointKind = field(default_factory=RealTime)
    variants: Sequence[Variant] = (Variant(),)
    shadow: Variant | None = None
    capture: DataCapture | None = None
    rollout: Rollout | None = None
    metrics: EnhancedMetrics | None = None
    rollback_latency: Duration | None = None
    rollback_alarms: Sequence[cloudwatch.IAlarm] = ()

    @property
    def all_variants(self) -> list[Variant]:
        """Variants and the shadow."""
        return [*self.variants, *([] if self.shadow is None else [self.shadow])]

    @property
    def bake_seconds(self) -> int | None:
        """All waits of a rollout; none if a token hides them."""
        rollout = AllAtOnce() if self.rollout is None else self.rollout
        counts = [variant.instance_count for variant in self.variants]
        return rollout.bake_seconds(counts) if rollout.is_known and known(*counts) else None

    def check(self, check: Checks) -> None:
        """Refuse what no endpoint can be made of."""
        check.name("endpoint_name", self.endpoint_name)
        self.kind.check(check)
        if not isinstance(self.kind, Serverless):
            self._check_variants(check)
        if self.capture is not None:
            self.capture.check(check)
        if self.metrics is not None:
            self.metrics.check(check)
        if self.rollback_latency is not None:
            check.literal("rollback_latency", self.rollback_latency)
        _RULES[type(self.kind)](check, self)
        self._check_shadow(check)
        self._check_rollout(check)

    def _check_variants(self, check: Checks) -> None:
        check.not_empty("variants", self.variants)
        if len(self.variants) > _MOST_VARIANTS:
            message = f"variants must be {_MOST_VARIANTS} at most, got {len(self.variants)}"
            check.refuse("ValueOutOfRange", message)
        names = [variant.name for variant in self.all_variants]
        if len(set(names)) < len(names):
            check.refuse("NameTwice", f"variants must have names of their own, got {names}")
        weights = [variant.weight for variant in self.variants]
        if weights and known(*weights) and not any(weights):
            check.refuse("WeightsSumToZero", "weights of variants sum to zero: none would get "
                         f"traffic, got {weights}")  # fmt: skip
        for variant in self.all_variants:
            variant.check(check)
            self._check_scaling(check, variant)

    def _check_scaling(self, check: Checks, variant: Variant) -> None:
        components = isinstance(self.kind, InferenceComponents)
        if variant.managed_scaling is not None and not components:
            check.refuse("ScalingNotOfKind", "managed_scaling follows inference components, which "
                         f"{self.kind.SPOKEN} has not; use scaling")  # fmt: skip
        if variant.scaling is None:
            return
        if components:
            check.refuse("ScalingNotOfKind", "on an endpoint of inference components instances "
                         "follow managed_scaling, copies the component's scaling")  # fmt: skip
            return
        kind = self.kind
        variant.scaling.check(check, targets=kind.TARGETS, zero=kind.ZERO, kind=kind.SPOKEN)
        for instance_type in variant.instance_types:
            if known(instance_type) and family(instance_type).startswith("t"):
                check.refuse("InstanceTypeNotScaled", "burstable instances are not scaled "
                             f"automatically, got {instance_type!r}")  # fmt: skip

    def _check_shadow(self, check: Checks) -> None:
        if self.shadow is None or isinstance(self.kind, Serverless):
            return
        if not isinstance(self.kind, RealTime):
            check.refuse("ShadowNotAllowed", f"{self.kind.SPOKEN} cannot have a shadow variant")
        if len(self.variants) != 1:
            check.refuse("ShadowNotAllowed", "a shadow variant needs exactly one production "
                         f"variant, got {len(self.variants)}")  # fmt: skip
        for variant in self.all_variants:
            if any(_is_inferentia_1(each) for each in variant.instance_types):
                check.refuse("ShadowNotAllowed", "instances ml.inf1 cannot have or be a shadow "
                             "variant")  # fmt: skip

    def _check_rollout(self, check: Checks) -> None:
        if len(self.rollback_alarms) > _MOST_ALARMS:
            check.refuse("ValueOutOfRange", f"rollback_alarms must be {_MOST_ALARMS} at most, got "
                         f"{len(self.rollback_alarms)}")  # fmt: skip
        rollout = self.rollout
        if rollout is None or isinstance(self.kind, Serverless | InferenceComponents):
            return
        rollout.check(check, [v.fewest for v in self.variants if known(v.instance_count)])
        if rollout.SINGLE_VARIANT and len(self.variants) > 1:
            check.refuse("RolloutNotAllowed", f"a {rollout.NAME} rollout needs one variant, got "
                         f"{len(self.variants)}")  # fmt: skip
        types = [each for variant in self.variants for each in variant.instance_types]
        if rollout.GUARDED and any(_is_inferentia_1(each) for each in types):
            check.refuse("RolloutNotAllowed", "instances ml.inf1 know no guarded rollout, got "
                         f"{rollout.NAME}: SageMaker would change all at once")  # fmt: skip


def _no_rule(check: Checks, setup: Setup) -> None:
    del check, setup


def _check_serverless(check: Checks, setup: Setup) -> None:
    """A serverless endpoint has neither instances nor what hangs on them."""
    given = [variant for variant in setup.variants if variant != Variant()]
    if len(setup.variants) > 1:
        check.refuse("VariantsNotAllowed", "a serverless endpoint has one variant, got "
                     f"{len(setup.variants)}")  # fmt: skip
    elif any(is_accelerated(each) for variant in given for each in variant.instance_types):
        check.refuse("AcceleratorNotAllowed", "a serverless endpoint runs on CPUs only, got "
                     f"{given[0].instance_types[0]!r}")  # fmt: skip
    elif given:
        check.refuse("VariantsNotAllowed", "variants describe instances, which a serverless "
                     "endpoint has not: Serverless says all")  # fmt: skip
    refused = {
        "a shadow variant": setup.shadow,
        "data capture": setup.capture,
        "a guarded rollout": setup.rollout,
        "enhanced metrics": setup.metrics,
    }
    for what, value in refused.items():
        if value is not None:
            check.refuse("ServerlessCannot", f"a serverless endpoint cannot have {what}")
    if setup.rollback_alarms:
        check.refuse("ServerlessCannot", "a serverless endpoint cannot have rollback alarms: it "
                     "has no guarded rollout")  # fmt: skip


def _check_components(check: Checks, setup: Setup) -> None:
    """The models are the components'; so are their rollouts."""
    for variant in setup.variants:
        if variant.model is not None:
            check.refuse("ModelNotAllowed", f"variant {variant.name} of an endpoint of inference "
                         "components names no model: give it to an InferenceComponent")  # fmt: skip
    if setup.rollout is not None or setup.rollback_alarms:
        check.refuse("RolloutNotAllowed", "inference components roll out one by one: give rollout "
                     "and rollback_alarms to InferenceComponent")  # fmt: skip


_RULES = {
    Asynchronous: _no_rule,
    InferenceComponents: _check_components,
    MultiModel: _no_rule,
    RealTime: _no_rule,
    Serverless: _check_serverless,
}


def _is_inferentia_1(instance_type: str) -> bool:
    return known(instance_type) and family(instance_type) == "inf1"
