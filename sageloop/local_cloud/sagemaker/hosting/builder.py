"""Builds the fleet of an endpoint configuration."""

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
    """Builds fleets; instances start when a fleet is scaled.

    The first of ``kinds`` that matches a variant builds it; the last one matches all others.
    ``role_of`` returns the execution role of a model.
    """

    def __init__(self, kinds: Sequence[VariantKind], role_of: Callable[[str], str]) -> None:
        self._kinds = kinds
        self._role_of = role_of

    def kind(self, config: Document, variant: Document) -> VariantKind:
        """The kind of a variant: the first one that matches."""
        return next(kind for kind in self._kinds if kind.matches(config, variant))

    def check_config(self, config: Document) -> None:
        """Refuse what CreateEndpointConfig refuses of the variants of a configuration."""
        for variant in every_variant(config):
            self.kind(config, variant).check_config(config, variant)

    def check(self, config: Document) -> None:
        """Refuse a configuration whose models do not exist or cannot be served locally.

        Raises ``AwsError``: that of AWS if a model does not exist, else one that names the feature.
        """
        for variant in every_variant(config):
            self.kind(config, variant).check(config, variant)

    def initial_counts(self, config: Document) -> dict[str, int]:
        """The initial number of instances of each production variant."""
        return {
            variant["VariantName"]: self.kind(config, variant).initial_count(variant)
            for variant in config["ProductionVariants"]
        }

    def shadow_counts(self, config: Document) -> dict[str, int]:
        """The initial number of instances of each shadow variant."""
        return {
            variant["VariantName"]: self.kind(config, variant).initial_count(variant)
            for variant in config.get("ShadowProductionVariants", [])
        }

    def role_of(self, config: Document) -> str:
        """The execution role of the first model of a configuration."""
        role = config.get("ExecutionRoleArn")
        if role is not None:
            return str(role)
        return self._role_of(config["ProductionVariants"][0]["ModelName"])

    def build(
        self, endpoint: str, config: Document, weights: Mapping[str, float] | None = None
    ) -> Fleet:
        """Build the fleet of a configuration; ``weights`` replace the configured weights.

        Raises :class:`StartFailure` if model data is not available.
        """
        configured_weights = {} if weights is None else weights

        def build_variant(variant: Document, *, shadow: bool) -> VariantFleet:
            request = VariantRequest(
                endpoint=endpoint, config=config, document=variant, shadow=shadow,
                weight=configured_weights.get(variant["VariantName"], weight_of(variant)),
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
