"""Checks of an endpoint's configuration; all errors are reported together."""

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
    """Configuration of an endpoint without its models.

    Attributes:
        endpoint_name: Name of the endpoint.
        kind: Kind of the endpoint.
        variants: Production variants.
        shadow: Shadow variant, which receives copies of requests; its responses are discarded.
        capture: Data capture.
        rollout: Rollout of an update.
        metrics: Enhanced metrics.
        rollback_latency: p99 latency above which a rollout is rolled back.
        rollback_alarms: Additional alarms that roll back a rollout.

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
        """The production variants and the shadow variant."""
        return [*self.variants, *([] if self.shadow is None else [self.shadow])]

    @property
    def bake_seconds(self) -> int | None:
        """The sum of the rollout's waits in seconds; ``None`` if a token hides it."""
        rollout = AllAtOnce() if self.rollout is None else self.rollout
        counts = [variant.instance_count for variant in self.variants]
        return rollout.bake_seconds(counts) if rollout.is_known and known(*counts) else None

    def check(self, check: Checks) -> None:
        """Refuse values and combinations that are not allowed."""
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
            check.refuse("NameTwice", f"variants must have unique names, got {names}")
        weights = [variant.weight for variant in self.variants]
        if weights and known(*weights) and not any(weights):
            check.refuse("WeightsSumToZero", "weights of variants must not all be zero, "
                         f"got {weights}")  # fmt: skip
        for variant in self.all_variants:
            variant.check(check)
            self._check_scaling(check, variant)

    def _check_scaling(self, check: Checks, variant: Variant) -> None:
        components = isinstance(self.kind, InferenceComponents)
        if variant.managed_scaling is not None and not components:
            check.refuse("ScalingNotOfKind", "managed_scaling needs inference components, got "
                         f"{self.kind.SPOKEN}; use scaling")  # fmt: skip
        if variant.scaling is None:
            return
        if components:
            check.refuse("ScalingNotOfKind", "scaling is not allowed for variants with "
                         "inference components: use managed_scaling")  # fmt: skip
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
            check.refuse("RolloutNotAllowed", "instances ml.inf1 do not support this rollout, got "
                         f"{rollout.NAME}: SageMaker would shift all traffic at once")  # fmt: skip


def _no_rule(check: Checks, setup: Setup) -> None:
    del check, setup


def _check_serverless(check: Checks, setup: Setup) -> None:
    """Refuse options that a serverless endpoint does not support."""
    custom = [variant for variant in setup.variants if variant != Variant()]
    if len(setup.variants) > 1:
        check.refuse("VariantsNotAllowed", "a serverless endpoint has one variant, got "
                     f"{len(setup.variants)}")  # fmt: skip
    elif any(is_accelerated(each) for variant in custom for each in variant.instance_types):
        check.refuse("AcceleratorNotAllowed", "a serverless endpoint runs on CPUs only, got "
                     f"{custom[0].instance_types[0]!r}")  # fmt: skip
    elif custom:
        check.refuse("VariantsNotAllowed", "variants are not allowed for a serverless endpoint: "
                     "use the arguments of Serverless")  # fmt: skip
    refused = {
        "a shadow variant": setup.shadow,
        "data capture": setup.capture,
        "a rollout": setup.rollout,
        "enhanced metrics": setup.metrics,
    }
    for what, value in refused.items():
        if value is not None:
            check.refuse("ServerlessCannot", f"a serverless endpoint cannot have {what}")
    if setup.rollback_alarms:
        check.refuse("ServerlessCannot", "a serverless endpoint cannot have rollback alarms: it "
                     "has no rollout")  # fmt: skip


def _check_components(check: Checks, setup: Setup) -> None:
    """Refuse models and rollouts, which belong to the inference components."""
    for variant in setup.variants:
        if variant.model is not None:
            check.refuse("ModelNotAllowed", f"variant {variant.name} of an endpoint of inference "
                         "components must have no model: use InferenceComponent")  # fmt: skip
    if setup.rollout is not None or setup.rollback_alarms:
        check.refuse("RolloutNotAllowed", "rollout and rollback_alarms are not allowed with "
                     "inference components: give them to InferenceComponent")  # fmt: skip


_RULES = {
    Asynchronous: _no_rule,
    InferenceComponents: _check_components,
    MultiModel: _no_rule,
    RealTime: _no_rule,
    Serverless: _check_serverless,
}


def _is_inferentia_1(instance_type: str) -> bool:
    return known(instance_type) and family(instance_type) == "inf1"
