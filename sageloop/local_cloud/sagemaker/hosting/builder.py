"""From an endpoint configuration to a fleet that can be started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.sagemaker.hosting.instances.fleet import Fleet, VariantFleet
from sageloop.local_cloud.sagemaker.hosting.kind import VariantKind, VariantRequest
from sageloop.local_cloud.sagemaker.hosting.requests import every_variant, weight_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Document = Mapping[str, Any]


class FleetBuilder:
    """Makes fleets; nothing runs until they are scaled.

    ``kinds`` are asked in their order; the last one takes what is left. ``role_of`` gives the
    execution role of a model.
    """

    def __init__(self, kinds: Sequence[VariantKind], role_of: Callable[[str], str]) -> None:
        self._kinds = kinds
        self._role_of = role_of

    def kind(self, config: Document, variant: Document) -> VariantKind:
        """How a variant is served: the first kind that takes it."""
        return next(kind for kind in self._kinds if kind.takes(config, variant))

    def check_config(self, config: Document) -> None:
        """Refuse what CreateEndpointConfig refuses of a configuration's variants."""
        for variant in every_variant(config):
            self.kind(config, variant).check_config(config, variant)

    def check(self, config: Document) -> None:
        """Refuse a configuration whose models are missing or cannot be served here.

        Raises ``AwsError``: AWS's if a model is not there, a refusal by name otherwise.
        """
        for variant in every_variant(config):
            self.kind(config, variant).check(config, variant)

    def initial_counts(self, config: Document) -> dict[str, int]:
        """Instances each production variant starts with."""
        return {
            variant["VariantName"]: self.kind(config, variant).initial_count(variant)
            for variant in config["ProductionVariants"]
        }

    def shadow_counts(self, config: Document) -> dict[str, int]:
        """Instances each shadow variant starts with."""
        return {
            variant["VariantName"]: self.kind(config, variant).initial_count(variant)
            for variant in config.get("ShadowProductionVariants", [])
        }

    def role_of(self, config: Document) -> str:
        """The execution role of a configuration's first model."""
        role = config.get("ExecutionRoleArn")
        if role is not None:
            return str(role)
        return self._role_of(config["ProductionVariants"][0]["ModelName"])

    def build(
        self, endpoint: str, config: Document, weights: Mapping[str, float] | None = None
    ) -> Fleet:
        """A fleet for a configuration; ``weights`` win over the configured ones.

        Raises :class:`StartFailure` if model data cannot be had.
        """
        given_weights = {} if weights is None else weights

        def build_variant(variant: Document, *, shadow: bool) -> VariantFleet:
            request = VariantRequest(
                endpoint=endpoint, config=config, document=variant, shadow=shadow,
                weight=given_weights.get(variant["VariantName"], weight_of(variant)),
            )  # fmt: skip
            return self.kind(config, variant).build(request)

        return Fleet(
            config,
            [build_variant(variant, shadow=False) for variant in config["ProductionVariants"]],
            [
                build_variant(variant, shadow=True)
                for variant in config.get("ShadowProductionVariants", [])
            ],
        )
